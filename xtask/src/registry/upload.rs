//! What is put into a registry.

use ureq::http::header;
use ureq::http::{Method, Uri};

use super::access::Access;
use super::exchange::{Ask, Payload, header_text};
use super::manifest::Manifest;
use super::trouble::{Kind, Trouble};
use super::{Registries, TagOrDigest};
use crate::reference::{Digest, Repository};

/// What registries say of a tag that may not move, in their codes and messages.
const IMMUTABLE: [&str; 4] = ["immutab", "cannot be overwritten", "already exists", "tag_invalid"];

impl Registries {
    /// Whether we may write: an upload is begun and cancelled.
    ///
    /// # Errors
    /// Whatever stands in the way, as when something is written.
    pub fn can_write(&self, repository: &Repository) -> Result<(), Trouble> {
        let ask = self.ask(repository, Access::Push, format!("write to {repository}"));
        self.retrying(|| {
            let begun = ask.begin_upload(None).map_err(|trouble| match trouble.kind {
                Kind::NotFound => trouble.saying(
                    "the repository does not exist and is not made by writing to it, or no registry answers there; \
                     create it, or mend its name in `repositories` or `registries`",
                ),
                _ => trouble,
            })?;
            if let Some(location) = begun {
                // Registries that cannot cancel let an upload run out by itself.
                let _left = ask.send(&Method::DELETE, &location, &[], Payload::Empty);
            }
            Ok(())
        })
    }

    /// Puts `manifest` under a tag, or under its own digest. What it names must be there.
    ///
    /// # Errors
    /// [`Kind::Refused`] where the registry lets this tag not be written, be it with the digest that it has.
    pub fn put_manifest<'a>(
        &self,
        repository: &Repository,
        name: impl Into<TagOrDigest<'a>>,
        manifest: &Manifest,
    ) -> Result<(), Trouble> {
        let name = name.into();
        let ask =
            self.ask(repository, Access::Push, format!("write {repository}{}", name.suffix()));
        self.retrying(|| ask.put_manifest(name, manifest))
    }
}

impl Ask<'_> {
    pub(super) fn put_manifest(
        &self,
        name: TagOrDigest<'_>,
        manifest: &Manifest,
    ) -> Result<(), Trouble> {
        let address = self.address(&format!("/manifests/{}", name.as_str()))?;
        let media_type = [(header::CONTENT_TYPE, manifest.media_type.clone())];
        let response =
            self.send(&Method::PUT, &address, &media_type, Payload::Bytes(&manifest.bytes))?;
        let status = response.status().as_u16();
        if !(200..300).contains(&status) {
            let trouble = self.of_status(response);
            return Err(if refuses_the_tag(status, &trouble, name) {
                Trouble { kind: Kind::Refused, ..trouble }
            } else {
                trouble
            });
        }
        match self.content_digest(&response)? {
            Some(digest) if digest != manifest.digest && is_sha256(&digest) => {
                Err(self.invalid(&format!("it stored {digest} instead of {}", manifest.digest)))
            }
            _ => Ok(()),
        }
    }

    /// Begins an upload: where it goes on, or nothing where `mount` (a digest and the repository that has it) was
    /// enough.
    pub(super) fn begin_upload(
        &self,
        mount: Option<(&Digest, &Repository)>,
    ) -> Result<Option<Uri>, Trouble> {
        let query = mount.map_or_else(String::new, |(digest, from)| {
            format!("?mount={digest}&from={}", super::url::escaped(from.path()))
        });
        let address = self.address(&format!("/blobs/uploads/{query}"))?;
        let response = self.send(&Method::POST, &address, &[], Payload::Empty)?;
        match response.status().as_u16() {
            201 if mount.is_some() => Ok(None),
            202 => {
                let location = header_text(response.headers(), header::LOCATION);
                self.location(&address, location.unwrap_or_default()).map(Some)
            }
            _ => Err(self.of_status(response)),
        }
    }
}

fn is_sha256(digest: &Digest) -> bool {
    digest.as_str().starts_with("sha256:")
}

/// Whether an answer means that the tag may not be written: Harbor says 412, ECR 400 with `ImageTagAlreadyExists…`,
/// others 403, 405 or 409, each in words of its own.
fn refuses_the_tag(status: u16, trouble: &Trouble, name: TagOrDigest<'_>) -> bool {
    if matches!(name, TagOrDigest::Digest(_)) {
        return false;
    }
    let said = [&trouble.code, &trouble.message].into_iter().flatten();
    let said = said.map(|text| text.to_ascii_lowercase()).collect::<Vec<_>>().join(" ");
    match status {
        405 | 409 | 412 => true,
        400 | 403 => IMMUTABLE.iter().any(|word| said.contains(word)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::Tag;

    #[test]
    fn immutable_tags_are_recognised() {
        let repository: Repository = "r.test/x".parse().unwrap();
        let tag: Tag = "1".parse().unwrap();
        let digest = super::super::manifest::sha256(b"");
        for (status, code, message, expected) in [
            (
                400,
                "TAG_INVALID",
                "The image tag '1' already exists in the 'x' repository and cannot be overwritten because the tag is immutable.",
                true,
            ),
            (
                412,
                "PRECONDITION",
                "Failed to process request due to '1' configured as immutable.",
                true,
            ),
            (409, "CONFLICT", "", true),
            (403, "DENIED", "tag 1 is immutable", true),
            (403, "DENIED", "requested access to the resource is denied", false),
            (400, "MANIFEST_INVALID", "manifest invalid", false),
            (404, "NAME_UNKNOWN", "", false),
        ] {
            let mut trouble = Trouble::new(Kind::Status(status), &repository, "write");
            trouble.code = Some(code.into());
            let trouble = trouble.saying(message);
            assert_eq!(refuses_the_tag(status, &trouble, (&tag).into()), expected, "{code}");
            assert!(!refuses_the_tag(status, &trouble, (&digest).into()));
        }
    }
}
