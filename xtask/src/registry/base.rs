//! What does building on an image need to know of it? Its digests, its triggers and its age.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::access::Access;
use super::content::Configuration;
use super::exchange::Ask;
use super::manifest::{Descriptor, Document, Role};
use super::trouble::Trouble;
use super::{Registries, TagOrDigest};
use crate::reference::{Digest, Platform, Repository};

/// An image as the base of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseImage {
    /// Of the index or, of an image without one, of its manifest.
    pub digest: Digest,
    /// The manifest of each platform.
    pub platforms: BTreeMap<Platform, Digest>,
    /// `Config.OnBuild` of the platforms that were looked at, each trigger once.
    pub onbuild: Vec<String>,
    /// The youngest of their dates.
    pub created: Option<Timestamp>,
}

impl Registries {
    /// The image, with the configurations of those platforms that are wanted. Nothing where there is no such tag or
    /// digest, as with [`head`](Self::head).
    pub fn base<'a>(
        &self,
        repository: &Repository,
        name: impl Into<TagOrDigest<'a>>,
        is_wanted: &dyn Fn(&Platform) -> bool,
    ) -> Result<Option<BaseImage>, Trouble> {
        let name = name.into();
        let Some(manifest) = self.manifest(repository, name)? else { return Ok(None) };
        let wanted = format!("read {repository}{}", name.suffix());
        let ask = self.ask(repository, Access::Pull, wanted);
        let mut base = BaseImage {
            digest: manifest.digest.clone(),
            platforms: BTreeMap::new(),
            onbuild: Vec::new(),
            created: None,
        };
        match manifest.document().map_err(|why| ask.invalid(&why))? {
            Document::Image { config, .. } => {
                let configuration = self.config(&ask, &config)?;
                base.platforms.insert(configuration.platform.clone(), manifest.digest);
                base.add(configuration);
            }
            Document::Index(children) => {
                for child in children {
                    // An image whose platform the index does not say is none that an engine would choose.
                    let Role::Image(Some(platform)) = child.role else { continue };
                    let digest = child.descriptor.digest;
                    // Of several for one platform, as Windows has them, engines take the first that suits.
                    if base.platforms.contains_key(&platform) {
                        continue;
                    }
                    if is_wanted(&platform) {
                        let config = self.config_of(&ask, repository, &digest)?;
                        base.add(self.config(&ask, &config)?);
                    }
                    base.platforms.insert(platform, digest);
                }
            }
        }
        Ok(Some(base))
    }

    fn config_of(
        &self,
        ask: &Ask<'_>,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Descriptor, Trouble> {
        let gone = || ask.not_found().saying(&format!("it lists {digest}, which is gone"));
        let manifest = self.manifest(repository, digest)?.ok_or_else(gone)?;
        match manifest.document().map_err(|why| ask.invalid(&why))? {
            Document::Image { config, .. } => Ok(config),
            Document::Index(_) => Err(ask.invalid("an index within an index is not supported")),
        }
    }
}

impl BaseImage {
    fn add(&mut self, configuration: Configuration) {
        for trigger in configuration.onbuild {
            if !self.onbuild.contains(&trigger) {
                self.onbuild.push(trigger);
            }
        }
        self.created = self.created.max(configuration.created);
    }
}
