//! Reading what was written, with a library that knows nothing of how.

use yaml_rust2::{Yaml, YamlLoader};

/// A workflow.
pub(crate) struct Workflow(Yaml);

impl Workflow {
    pub(crate) fn parse(text: &str) -> Self {
        let mut documents = YamlLoader::load_from_str(text).unwrap();
        assert_eq!(documents.len(), 1);
        Self(documents.remove(0))
    }

    pub(crate) fn root(&self) -> &Yaml {
        &self.0
    }

    /// Every job with its id.
    pub(crate) fn jobs(&self) -> Vec<(&str, &Yaml)> {
        let jobs = self.0["jobs"].as_hash().unwrap();
        jobs.iter().map(|(id, job)| (id.as_str().unwrap(), job)).collect()
    }

    pub(crate) fn job(&self, id: &str) -> &Yaml {
        let job = &self.0["jobs"][id];
        assert!(!job.is_badvalue(), "there is no job {id}");
        job
    }

    /// Every text with the keys that lead to it.
    pub(crate) fn texts(&self) -> Vec<(String, &str)> {
        let mut texts = Vec::new();
        walk(&self.0, "", &mut texts);
        texts
    }

    /// Every `run`.
    pub(crate) fn scripts(&self) -> Vec<&str> {
        let texts = self.texts().into_iter();
        texts.filter(|(path, _)| path.ends_with("/run")).map(|(_, text)| text).collect()
    }

    /// What stands between `${{` and `}}`, and every `if`.
    pub(crate) fn expressions(&self) -> Vec<String> {
        let mut expressions = Vec::new();
        for (path, text) in self.texts() {
            if path.ends_with("/if") && !text.contains("${{") {
                expressions.push(text.to_owned());
            }
            for part in text.split("${{").skip(1) {
                expressions.push(part.split_once("}}").unwrap().0.trim().to_owned());
            }
        }
        expressions
    }
}

pub(crate) fn strings(list: &Yaml) -> Vec<&str> {
    list.as_vec().into_iter().flatten().map(|item| item.as_str().unwrap()).collect()
}

fn walk<'y>(node: &'y Yaml, path: &str, texts: &mut Vec<(String, &'y str)>) {
    match node {
        Yaml::String(text) => texts.push((path.to_owned(), text)),
        Yaml::Array(items) => items.iter().for_each(|item| walk(item, path, texts)),
        Yaml::Hash(entries) => {
            for (key, value) in entries {
                let key = key.as_str().unwrap();
                texts.push((format!("{path}/{key}/"), key));
                walk(value, &format!("{path}/{key}"), texts);
            }
        }
        _ => {}
    }
}
