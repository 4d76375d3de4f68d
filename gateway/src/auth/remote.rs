//! The deployment's own check of opaque tokens: token introspection in the spirit of RFC 7662.

use std::time::Duration;

use moka::future::Cache;
use reqwest::{Client, Url};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::AuthError;
use super::claims::Claims;

/// A verdict is believed this long: a token that the deployment withdraws is refused after this at the latest.
const CACHE_TIME: Duration = Duration::from_secs(30);
/// Verdicts kept; a bad one is a few bytes, so that a flood of made-up tokens can't grow it.
const CACHE_SIZE: u64 = 10_000;
/// A log-in that waits longer than this is of no use to anybody at a radio.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Asks the deployment who a token is, and remembers the answer for a while.
pub struct RemoteCheck {
    client: Client,
    url: Url,
    verdicts: Cache<[u8; 32], Result<Claims, AuthError>>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    active: bool,
    #[serde(flatten)]
    claims: Option<Claims>,
}

impl RemoteCheck {
    /// Checks tokens by a POST to `url`.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(url: Url) -> Result<Self, reqwest::Error> {
        let client = Client::builder().timeout(TIMEOUT).build()?;
        Ok(Self {
            client,
            url,
            verdicts: Cache::builder().max_capacity(CACHE_SIZE).time_to_live(CACHE_TIME).build(),
        })
    }

    /// The claims that the deployment gives for `token`, whether they still hold or not.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`] when it doesn't answer, which is not remembered; otherwise what it said.
    pub async fn verify(&self, token: &str) -> Result<Claims, AuthError> {
        let key: [u8; 32] = Sha256::digest(token).into();
        self.verdicts.try_get_with(key, self.ask(token)).await.map_err(|_| AuthError::Unavailable)?
    }

    /// The outer error is the lack of a verdict.
    async fn ask(&self, token: &str) -> Result<Result<Claims, AuthError>, AuthError> {
        let answer =
            self.client.post(self.url.clone()).form(&[("token", token)]).send().await.map_err(unavailable)?;
        if matches!(answer.status().as_u16(), 400 | 401 | 403) {
            return Ok(Err(AuthError::Invalid("the deployment refuses it")));
        }
        let answer =
            answer.error_for_status().map_err(unavailable)?.json::<Answer>().await.map_err(unavailable)?;
        Ok(match answer {
            Answer { active: true, claims: Some(claims) } => Ok(claims),
            Answer { active: true, claims: None } => {
                Err(AuthError::Invalid("the deployment's answer lacks sub or exp"))
            }
            Answer { active: false, .. } => Err(AuthError::Invalid("the deployment doesn't know it")),
        })
    }
}

fn unavailable(error: reqwest::Error) -> AuthError {
    tracing::warn!(error = %error.without_url(), "the check of tokens doesn't answer");
    AuthError::Unavailable
}
