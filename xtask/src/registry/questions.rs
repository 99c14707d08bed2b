//! What a registry is asked.

use std::collections::BTreeSet;

use serde::Deserialize;
use ureq::Body;
use ureq::http::header::{self, HeaderName};
use ureq::http::{Method, Response, Uri};

use super::access::Access;
use super::exchange::{Ask, Payload, header_text};
use super::manifest::{ACCEPT, Document, Manifest, is_digest_of};
use super::trouble::{Kind, Trouble};
use super::url::{resolve, same_origin};
use super::{Registries, TagOrDigest};
use crate::reference::{Digest, Repository, Tag};

pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// The most that a manifest may hold (OCI distribution spec, «Pushing Manifests»: at least 4 megabytes).
const MOST_MANIFEST_BYTES: u64 = 4 << 20;
/// The most that one answer with tags may hold, how many of them are read, and how many are asked for at once.
const MOST_TAGS_BYTES: u64 = 16 << 20;
const MOST_TAGS_PAGES: usize = 1000;
const TAGS_A_PAGE: usize = 1000;

impl Registries {
    /// Where a tag points, or whether a digest is there. Nothing where there is no such thing, by a plain 404; what
    /// else may mean that says [`Trouble::may_mean_absent`].
    pub fn head<'a>(
        &self,
        repository: &Repository,
        name: impl Into<TagOrDigest<'a>>,
    ) -> Result<Option<Digest>, Trouble> {
        let name = name.into();
        let ask =
            self.ask(repository, Access::Pull, format!("look for {repository}{}", name.suffix()));
        self.retrying(|| ask.head(name))
    }

    /// The manifest or index itself. Nothing where there is none, as with [`head`](Self::head).
    pub fn manifest<'a>(
        &self,
        repository: &Repository,
        name: impl Into<TagOrDigest<'a>>,
    ) -> Result<Option<Manifest>, Trouble> {
        let name = name.into();
        let ask = self.ask(repository, Access::Pull, format!("read {repository}{}", name.suffix()));
        self.retrying(|| ask.manifest(name))
    }

    /// Whether the image is there whole: the index and every manifest that it lists. Layers are not asked for; a
    /// registry takes no manifest without them.
    pub fn present(&self, repository: &Repository, digest: &Digest) -> Result<bool, Trouble> {
        let Some(manifest) = self.manifest(repository, digest)? else { return Ok(false) };
        let wanted = format!("look for {repository}@{digest}");
        let ask = self.ask(repository, Access::Pull, wanted);
        let Document::Index(children) = manifest.document().map_err(|why| ask.invalid(&why))?
        else {
            return Ok(true);
        };
        for child in children {
            if self.head(repository, &child.descriptor.digest)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// All tags. A repository that does not exist is [`Kind::NotFound`]; some registries let nobody list
    /// ([`Kind::Forbidden`], [`Kind::Unauthorized`]).
    pub fn tags(&self, repository: &Repository) -> Result<BTreeSet<Tag>, Trouble> {
        let ask = self.ask(repository, Access::Pull, format!("list the tags of {repository}"));
        let mut next =
            self.retrying(|| ask.address(&format!("/tags/list?n={TAGS_A_PAGE}"))).map(Some)?;
        let mut tags = BTreeSet::new();
        for _ in 0..MOST_TAGS_PAGES {
            let Some(address) = next else { return Ok(tags) };
            let (page, link) = self.retrying(|| ask.tags(&address))?;
            // What is no tag can be none that we are looking for.
            tags.extend(page.iter().filter_map(|tag| tag.parse::<Tag>().ok()));
            next = link;
        }
        Err(ask.invalid("the list of tags has no end"))
    }
}

impl Ask<'_> {
    pub(super) fn head(&self, name: TagOrDigest<'_>) -> Result<Option<Digest>, Trouble> {
        let address = self.address(&format!("/manifests/{}", name.as_str()))?;
        let accept = [(header::ACCEPT, ACCEPT.to_owned())];
        let response = self.send(&Method::HEAD, &address, &accept, Payload::Empty)?;
        match response.status().as_u16() {
            200 => match (self.content_digest(&response)?, name) {
                (Some(digest), TagOrDigest::Digest(asked)) if digest != *asked => {
                    Err(self.invalid("it answers with another digest"))
                }
                (None, TagOrDigest::Digest(asked)) => Ok(Some(asked.clone())),
                (Some(digest), _) => Ok(Some(digest)),
                // The digest is then that of the content itself.
                (None, TagOrDigest::Tag(_)) => {
                    Ok(self.manifest(name)?.map(|manifest| manifest.digest))
                }
            },
            404 => Ok(None),
            405 => Ok(self.manifest(name)?.map(|manifest| manifest.digest)),
            _ => Err(self.of_status(response)),
        }
    }

    pub(super) fn manifest(&self, name: TagOrDigest<'_>) -> Result<Option<Manifest>, Trouble> {
        let address = self.address(&format!("/manifests/{}", name.as_str()))?;
        let accept = [(header::ACCEPT, ACCEPT.to_owned())];
        let response = self.send(&Method::GET, &address, &accept, Payload::Empty)?;
        match response.status().as_u16() {
            200 => {}
            404 => return Ok(None),
            _ => return Err(self.of_status(response)),
        }
        let said = self.content_digest(&response)?;
        let media_type = header_text(response.headers(), header::CONTENT_TYPE).unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_owned();
        let bytes = self.read(response, MOST_MANIFEST_BYTES)?;
        let media_type = inner_media_type(&media_type, &bytes);
        let mut manifest = Manifest::new(media_type, bytes);
        if said.is_some_and(|said| !is_digest_of(&said, &manifest.bytes)) {
            return Err(self.invalid("its content has another digest than it says"));
        }
        if let TagOrDigest::Digest(asked) = name {
            if !is_digest_of(asked, &manifest.bytes) {
                return Err(self.invalid("its content has another digest than was asked for"));
            }
            manifest.digest = asked.clone();
        }
        Ok(Some(manifest))
    }

    /// `Docker-Content-Digest`, where it is given.
    pub(super) fn content_digest(
        &self,
        response: &Response<Body>,
    ) -> Result<Option<Digest>, Trouble> {
        match header_text(response.headers(), CONTENT_DIGEST) {
            None | Some("") => Ok(None),
            Some(text) => match text.parse() {
                Ok(digest) => Ok(Some(digest)),
                Err(_) => Err(self.invalid("its `Docker-Content-Digest` is no digest")),
            },
        }
    }

    /// One page, and the address of the next.
    fn tags(&self, address: &Uri) -> Result<(Vec<String>, Option<Uri>), Trouble> {
        #[derive(Deserialize)]
        struct Page {
            tags: Option<Vec<String>>,
        }
        let response = self.send(&Method::GET, address, &[], Payload::Empty)?;
        if response.status().as_u16() != 200 {
            return Err(self.of_status(response));
        }
        let next = match header_text(response.headers(), header::LINK).map(next_link) {
            Some(Some(link)) => Some(self.next_page(address, link)?),
            _ => None,
        };
        let bytes = self.read(response, MOST_TAGS_BYTES)?;
        let page: Page = serde_json::from_slice(&bytes)
            .map_err(|_| self.invalid("the list of tags is not JSON that we know"))?;
        Ok((page.tags.unwrap_or_default(), next))
    }

    fn next_page(&self, address: &Uri, link: &str) -> Result<Uri, Trouble> {
        let next = resolve(address, link)
            .filter(|next| same_origin(address, next) && next.path() == address.path());
        next.ok_or_else(|| self.invalid("its `Link` to further tags leads elsewhere"))
    }

    pub(super) fn not_found(&self) -> Trouble {
        self.trouble(Kind::NotFound)
    }
}

/// The address with `rel="next"` of a `Link` (RFC 8288), as registries write it.
fn next_link(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some((_, after)) = rest.split_once('<') {
        let (link, after) = after.split_once('>')?;
        let parameters = after.split('<').next().unwrap_or_default();
        let next = parameters.split([';', ',']).any(|parameter| {
            let Some((name, value)) = parameter.split_once('=') else { return false };
            let value = value.trim().trim_matches('"');
            name.trim().eq_ignore_ascii_case("rel") && value.eq_ignore_ascii_case("next")
        });
        if next {
            return Some(link);
        }
        rest = after;
    }
    None
}

/// The registry's word for the media type, or, where it says nothing of use, the manifest's own.
fn inner_media_type(outer: &str, bytes: &[u8]) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Typed {
        media_type: Option<String>,
    }
    if !matches!(outer, "" | "application/octet-stream" | "application/json" | "text/plain") {
        return outer.to_owned();
    }
    let inner = serde_json::from_slice::<Typed>(bytes).ok().and_then(|typed| typed.media_type);
    inner.unwrap_or_else(|| outer.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found() {
        for (header, expected) in [
            (r#"</v2/x/tags/list?last=b&n=2>; rel="next""#, Some("/v2/x/tags/list?last=b&n=2")),
            ("<a>; rel=next", Some("a")),
            (r#"<a>; rel="prev", <b>; title="x"; REL="Next""#, Some("b")),
            (r#"<a>; rel="prev""#, None),
            ("<a", None),
            ("", None),
            ("rel=next", None),
        ] {
            assert_eq!(next_link(header), expected, "{header}");
        }
    }
}
