//! JSON Web Tokens (RFC 7519): verified with pinned algorithms (RFC 8725), and minted where the secret is ours.

use std::path::{Path, PathBuf};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use thiserror::Error;

use super::AuthError;
use super::claims::{Claims, Scope};

/// A token may begin this much later, in seconds: the issuer's clock may be ahead. Its end is looked at to the second,
/// by who asked.
const LEEWAY: u64 = 5;

/// Shorter secrets can be guessed from a single token (RFC 7518, section 3.2).
const MIN_SECRET: usize = 32;

/// Why keys can't be used.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file can't be read.
    #[error("can't read the key file {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The secret is short enough to be guessed.
    #[error("the secret in {path} is shorter than 32 bytes")]
    ShortSecret {
        /// Where.
        path: PathBuf,
    },
    /// Neither PEM nor a JWK set of public keys that can be used.
    #[error(
        "{path} holds no public key that can be used: PEM or a JWK set of RSA, P-256, P-384 or Ed25519 keys"
    )]
    NoKey {
        /// Which.
        path: PathBuf,
    },
}

struct Key {
    id: Option<String>,
    key: DecodingKey,
    validation: Validation,
    /// A key of the gateway's own vouches for its bridges, or for visitors and guests, and for nobody else.
    only: Option<&'static [Scope]>,
}

/// Everything that a token's signature may be checked against.
#[derive(Default)]
pub struct KeySet {
    keys: Vec<Key>,
    issuer: Option<String>,
    audience: Option<String>,
    minter: Option<Minter>,
}

impl KeySet {
    /// No key yet; tokens must come from `issuer` and be meant for `audience` where those are given.
    #[must_use]
    pub fn new(issuer: Option<String>, audience: Option<String>) -> Self {
        Self { keys: Vec::new(), issuer, audience, minter: None }
    }

    /// Accepts tokens signed with this HS256 secret, and can make them with it.
    pub fn add_secret(&mut self, secret: &[u8]) {
        self.minter = Some(Minter::new(secret));
        let validation = self.validation(Algorithm::HS256);
        self.keys.push(Key { id: None, key: DecodingKey::from_secret(secret), validation, only: None });
    }

    /// Accepts bridges whose token is signed with this HS256 secret.
    pub fn add_trunk_secret(&mut self, secret: &[u8]) {
        self.add_own(secret, &[Scope::Trunk]);
    }

    /// Accepts sessions of visitors and guests whose token is signed with this HS256 secret.
    pub fn add_livechat_secret(&mut self, secret: &[u8]) {
        self.add_own(secret, &[Scope::Livechat, Scope::Guest]);
    }

    fn add_own(&mut self, secret: &[u8], only: &'static [Scope]) {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY;
        let key = DecodingKey::from_secret(secret);
        self.keys.push(Key { id: None, key, validation, only: Some(only) });
    }

    /// Accepts tokens signed by the public keys in a PEM file or a JWK set.
    ///
    /// # Errors
    /// When the file can't be read or holds no key of a known kind.
    pub fn add_public_keys(&mut self, path: &Path) -> Result<(), KeyError> {
        let text = read(path)?;
        let found: Vec<_> = match serde_json::from_slice::<JwkSet>(&text) {
            Ok(set) => set.keys.iter().filter_map(|jwk| self.jwk(jwk)).collect(),
            Err(_) => {
                public_blocks(&String::from_utf8_lossy(&text)).filter_map(|pem| self.pem(pem)).collect()
            }
        };
        if found.is_empty() {
            return Err(KeyError::NoKey { path: path.to_owned() });
        }
        self.keys.extend(found);
        Ok(())
    }

    /// The claims of a token that one of the keys vouches for.
    ///
    /// # Errors
    /// When none does, or the token isn't valid at this time.
    pub fn verify(&self, token: &str) -> Result<Claims, AuthError> {
        let header = decode_header(token).map_err(|_| AuthError::Invalid("it is no JWT"))?;
        let mut fault = AuthError::Invalid("no key vouches for it");
        for key in
            self.keys.iter().filter(|key| key.id.is_none() || header.kid.is_none() || key.id == header.kid)
        {
            match decode::<Claims>(token, &key.key, &key.validation) {
                Ok(data) if key.only.is_some_and(|only| !only.contains(&data.claims.scope)) => {}
                Ok(data) => return Ok(data.claims),
                Err(error) => match error.kind() {
                    // A key that doesn't fit says nothing: another may.
                    ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => {}
                    ErrorKind::ExpiredSignature => return Err(AuthError::Expired),
                    ErrorKind::ImmatureSignature => fault = AuthError::Invalid("it isn't valid yet"),
                    ErrorKind::InvalidIssuer => fault = AuthError::Invalid("it comes from another issuer"),
                    ErrorKind::InvalidAudience => {
                        fault = AuthError::Invalid("it is meant for another audience")
                    }
                    ErrorKind::MissingRequiredClaim(_) => fault = AuthError::Invalid("a claim is missing"),
                    _ => fault = AuthError::Invalid("its claims can't be read"),
                },
            }
        }
        Err(fault)
    }

    /// A token that these keys accept, where there is a secret to sign it with.
    #[must_use]
    pub fn mint(&self, mut claims: Claims) -> Option<String> {
        claims.iss.clone_from(&self.issuer);
        claims.aud = self.audience.clone().map(Into::into);
        self.minter.as_ref()?.mint(&claims).ok()
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        let mut required = vec!["exp", "sub"];
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        match &self.audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                required.push("aud");
            }
            None => validation.validate_aud = false,
        }
        validation.set_required_spec_claims(&required);
        validation
    }

    fn jwk(&self, jwk: &Jwk) -> Option<Key> {
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
                EllipticCurve::P256 => Algorithm::ES256,
                EllipticCurve::P384 => Algorithm::ES384,
                _ => return None,
            },
            AlgorithmParameters::OctetKeyPair(_) => Algorithm::EdDSA,
            _ => return None,
        };
        let key = DecodingKey::from_jwk(jwk).ok()?;
        let validation = self.validation(algorithm);
        Some(Key { id: jwk.common.key_id.clone(), key, validation, only: None })
    }

    fn pem(&self, pem: &str) -> Option<Key> {
        let pem = pem.as_bytes();
        let (key, algorithm) = DecodingKey::from_rsa_pem(pem)
            .map(|key| (key, Algorithm::RS256))
            .or_else(|_| DecodingKey::from_ec_pem(pem).map(|key| (key, Algorithm::ES256)))
            .or_else(|_| DecodingKey::from_ed_pem(pem).map(|key| (key, Algorithm::EdDSA)))
            .ok()?;
        // The curve is told by the length of the key's point (SEC 1, section 2.3.3).
        let algorithm = match (algorithm, key.try_get_as_bytes().map_or(0, <[u8]>::len)) {
            (Algorithm::ES256, 97) => Algorithm::ES384,
            (Algorithm::ES256, length) if length != 65 => return None,
            (algorithm, _) => algorithm,
        };
        Some(Key { id: None, key, validation: self.validation(algorithm), only: None })
    }
}

/// The blocks of a PEM file (RFC 7468), but for private keys: who put one here has mistaken the file.
fn public_blocks(pem: &str) -> impl Iterator<Item = &str> {
    const BEGIN: &str = "-----BEGIN ";
    let starts = pem.match_indices(BEGIN).map(|(start, _)| start);
    let blocks = starts.map(|start| {
        let block = &pem[start..];
        block[BEGIN.len()..].find(BEGIN).map_or(block, |next| &block[..BEGIN.len() + next])
    });
    blocks.filter(|block| !block.lines().next().is_some_and(|label| label.contains("PRIVATE")))
}

/// Makes tokens with an HS256 secret.
pub struct Minter {
    key: EncodingKey,
}

impl Minter {
    /// With the secret itself.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self { key: EncodingKey::from_secret(secret) }
    }

    /// A token that says `claims`.
    ///
    /// # Errors
    /// When the claims can't be written as JSON, which ours always can.
    pub fn mint(&self, claims: &Claims) -> Result<String, jsonwebtoken::errors::Error> {
        encode(&Header::new(Algorithm::HS256), claims, &self.key)
    }
}

/// Reads an HS256 secret, without the line end that editors put behind it.
///
/// # Errors
/// When the file can't be read, or the secret is short enough to be guessed.
pub fn read_secret(path: &Path) -> Result<Vec<u8>, KeyError> {
    let mut secret = read(path)?;
    while secret.last().is_some_and(u8::is_ascii_whitespace) {
        secret.pop();
    }
    if secret.len() < MIN_SECRET {
        return Err(KeyError::ShortSecret { path: path.to_owned() });
    }
    Ok(secret)
}

fn read(path: &Path) -> Result<Vec<u8>, KeyError> {
    std::fs::read(path).map_err(|source| KeyError::Read { path: path.to_owned(), source })
}
