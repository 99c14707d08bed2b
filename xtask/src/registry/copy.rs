//! An image from one repository to another, byte for byte.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ureq::http::{Method, header};

use super::Registries;
use super::access::Access;
use super::exchange::{Ask, Payload};
use super::manifest::{Descriptor, Document, Hash, Manifest};
use super::trouble::{Kind, Trouble};
use super::url::with_parameter;
use crate::engine::interrupt;
use crate::reference::{Digest, Repository};

/// How deep indexes may lie in each other.
const DEEPEST: usize = 4;
/// How many manifests one image may have.
const MOST_MANIFESTS: usize = 1000;

/// What a copy did. All zero where everything was there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    pub manifests: usize,
    /// Blobs that were there.
    pub present: usize,
    /// Blobs that the registry took from a repository of its own.
    pub mounted: usize,
    /// Blobs that went through this machine, and their bytes.
    pub uploaded: usize,
    pub bytes: u64,
}

enum Moved {
    Present,
    Mounted,
    Uploaded,
}

impl Registries {
    /// Makes the image `digest` of `from` be in `to` whole, with the same digests everywhere. It gets no tag. What is
    /// there is not sent again; an index comes after everything that it lists.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when a part of it is not in `from`.
    pub fn copy(
        &self,
        from: &Repository,
        to: &Repository,
        digest: &Digest,
    ) -> Result<Copied, Trouble> {
        let wanted = format!("copy {from}@{digest} to {to}");
        let source = self.ask(from, Access::Pull, wanted.clone());
        let mut tree = Vec::new();
        self.gather(&source, digest, 0, &mut tree)?;
        let there = self.in_parallel(&tree, |(manifest, _)| {
            match self.head(to, &manifest.digest) {
                // Of a repository that is not there yet; writing will tell.
                Err(trouble) if trouble.may_mean_absent() => Ok(None),
                other => other,
            }
        })?;
        let missing: Vec<&(Manifest, Vec<Descriptor>)> = tree
            .iter()
            .zip(there)
            .filter_map(|(one, there)| there.is_none().then_some(one))
            .collect();
        let needed: BTreeMap<&Digest, &Descriptor> =
            missing.iter().flat_map(|(_, blobs)| blobs).map(|blob| (&blob.digest, blob)).collect();
        let needed: Vec<&Descriptor> = needed.into_values().collect();
        let mut copied = Copied { manifests: missing.len(), ..Copied::default() };
        let moved = self.in_parallel(&needed, |blob| self.copy_blob(&source, to, blob, &wanted))?;
        for (blob, moved) in needed.iter().zip(moved) {
            match moved {
                Moved::Present => copied.present += 1,
                Moved::Mounted => copied.mounted += 1,
                Moved::Uploaded => {
                    copied.uploaded += 1;
                    copied.bytes += blob.size;
                }
            }
        }
        for (manifest, _) in missing {
            self.put_manifest(to, &manifest.digest, manifest)?;
        }
        Ok(copied)
    }

    /// All manifests of an image with the blobs that each names, what is listed before what lists it.
    fn gather(
        &self,
        source: &Ask<'_>,
        digest: &Digest,
        depth: usize,
        tree: &mut Vec<(Manifest, Vec<Descriptor>)>,
    ) -> Result<(), Trouble> {
        if tree.iter().any(|(manifest, _)| manifest.digest == *digest) {
            return Ok(());
        }
        if depth > DEEPEST || tree.len() >= MOST_MANIFESTS {
            return Err(source.invalid("it has too many manifests"));
        }
        let manifest = self.manifest(source.repository, digest)?;
        let manifest =
            manifest.ok_or_else(|| source.not_found().saying(&format!("{digest} is gone")))?;
        let blobs = match manifest.document().map_err(|why| source.invalid(&why))? {
            Document::Image { config, layers } => {
                let all = std::iter::once(config).chain(layers);
                all.filter(|blob| !blob.is_foreign()).collect()
            }
            Document::Index(children) => {
                for child in children {
                    self.gather(source, &child.descriptor.digest, depth + 1, tree)?;
                }
                Vec::new()
            }
        };
        tree.push((manifest, blobs));
        Ok(())
    }

    fn copy_blob(
        &self,
        source: &Ask<'_>,
        to: &Repository,
        blob: &Descriptor,
        wanted: &str,
    ) -> Result<Moved, Trouble> {
        let from = source.repository;
        let near = from.registry() == to.registry();
        let access = if near { Access::Mount { from } } else { Access::Push };
        let target = self.ask(to, access, wanted.to_owned());
        // Each question has its own attempts, so that faults in all of them do not use up those of the transfer.
        self.retrying_moves(|moved| {
            if self.retrying(|| target.has_blob(blob))? {
                return Ok(Moved::Present);
            }
            let mount = near.then_some((&blob.digest, from));
            let Some(location) = self.retrying(|| target.begin_upload(mount))? else {
                return Ok(Moved::Mounted);
            };
            let address = source.address(&format!("/blobs/{}", blob.digest))?;
            let response = self.retrying(|| {
                let response = source.send(&Method::GET, &address, &[], Payload::Empty)?;
                match response.status().as_u16() {
                    200 => Ok(response),
                    404 => Err(source.not_found().saying(&format!("{} is gone", blob.digest))),
                    _ => Err(source.of_status(response)),
                }
            })?;
            let body = response.into_body().into_with_config().limit(u64::MAX).reader();
            let mut checked = Checked {
                body,
                blob,
                hash: Some(Hash::like(&blob.digest)),
                left: blob.size,
                moved,
                source,
            };
            let address = with_parameter(&location, "digest", blob.digest.as_str());
            let address = target.location(&location, &address)?;
            let kind = [(header::CONTENT_TYPE, "application/octet-stream".to_owned())];
            let payload = Payload::Stream(&mut checked, blob.size);
            let response = target.send(&Method::PUT, &address, &kind, payload)?;
            match response.status().as_u16() {
                200..=299 => Ok(Moved::Uploaded),
                // The upload was lost; a new one is begun.
                404 => Err(Trouble { kind: Kind::Broken, ..target.of_status(response) }),
                _ => Err(target.of_status(response)),
            }
        })
    }

    /// Does `work` for each of `all`, a few at a time, and gives the results in order. The first trouble is given, and
    /// nothing new is begun after it.
    fn in_parallel<T: Sync, R: Send>(
        &self,
        all: &[T],
        work: impl Fn(&T) -> Result<R, Trouble> + Sync,
    ) -> Result<Vec<R>, Trouble> {
        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let done = Mutex::new(Vec::with_capacity(all.len()));
        let trouble = Mutex::new(None);
        std::thread::scope(|scope| {
            for _ in 0..self.limits.parallel.clamp(1, all.len().max(1)) {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(one) = all.get(index) else { return };
                        match work(one) {
                            Ok(result) => {
                                let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                                done.push((index, result));
                            }
                            Err(found) => {
                                stop.store(true, Ordering::Relaxed);
                                let mut trouble =
                                    trouble.lock().unwrap_or_else(PoisonError::into_inner);
                                trouble.get_or_insert(found);
                            }
                        }
                    }
                });
            }
        });
        if let Some(trouble) = trouble.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(trouble);
        }
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|(index, _)| *index);
        Ok(done.into_iter().map(|(_, result)| result).collect())
    }
}

impl Ask<'_> {
    fn has_blob(&self, blob: &Descriptor) -> Result<bool, Trouble> {
        let address = self.address(&format!("/blobs/{}", blob.digest))?;
        let response = self.send(&Method::HEAD, &address, &[], Payload::Empty)?;
        match response.status().as_u16() {
            200 => Ok(true),
            404 => Ok(false),
            _ => match self.of_status(response) {
                trouble if trouble.may_mean_absent() => Ok(false),
                trouble => Err(trouble),
            },
        }
    }
}

/// A blob on its way: ends with an error instead of its last bytes where it is not what was asked for.
struct Checked<'a, R> {
    body: R,
    blob: &'a Descriptor,
    hash: Option<Hash>,
    left: u64,
    moved: &'a Cell<bool>,
    source: &'a Ask<'a>,
}

impl<R: Read> Read for Checked<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if interrupt::interrupted() {
            return Err(io::Error::other(self.source.trouble(Kind::Interrupted)));
        }
        if self.left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.body.read(&mut buffer[..most]);
        let read = read.map_err(|error| io::Error::other(self.source.broken(error.into())))?;
        let digest = &self.blob.digest;
        if read == 0 {
            let trouble = self.source.trouble(Kind::Broken);
            return Err(io::Error::other(trouble.saying(&format!("{digest} ended early"))));
        }
        self.left -= read as u64;
        self.moved.set(true);
        if let Some(hash) = &mut self.hash {
            hash.update(&buffer[..read]);
        }
        if self.left == 0 && self.hash.take().is_some_and(|hash| hash.digest() != *digest) {
            let trouble =
                self.source.invalid(&format!("the content of {digest} has another digest"));
            return Err(io::Error::other(trouble));
        }
        Ok(read)
    }
}
