use super::Status;
pub struct Board;
#[derive(Clone, Copy)]
pub enum Detail {
    Quiet,
    Usual,
    Verbose,
}
#[derive(Clone, Copy)]
pub struct Style;
impl Board {
    pub fn new(_: impl IntoIterator<Item = String>, _: Style) -> Self {
        Self
    }
    pub fn started(&self, i: usize) {
        eprintln!("start {i}");
    }
    pub fn event(&self, _: usize, _: &crate::engine::progress::Event) {}
    pub fn finished(&self, i: usize, s: Status) {
        eprintln!("{i} {s}");
    }
}
