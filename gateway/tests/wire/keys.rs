//! What tokens are checked against: algorithms, key files, issuer and audience.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;
use suara_gateway::auth::{AuthError, Claims, KeyError, KeySet, Minter};

use crate::kit::{SECRET, TestGateway, claims};

const KINDS: [(&str, Algorithm); 4] = [
    ("rsa", Algorithm::RS256),
    ("p256", Algorithm::ES256),
    ("p384", Algorithm::ES384),
    ("ed25519", Algorithm::EdDSA),
];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys").join(name)
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).expect("the key is there")
}

pub(crate) fn keys_of(file: &str) -> KeySet {
    let mut keys = KeySet::default();
    keys.add_public_keys(&path(file)).expect("the file holds public keys");
    keys
}

/// A token by a private key of `tests/keys`.
pub(crate) fn sign(name: &str, header: &Header, claims: &Claims) -> String {
    let pem = read(&format!("{name}.private.pem"));
    let key = match header.alg {
        Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(&pem),
        Algorithm::EdDSA => EncodingKey::from_ed_pem(&pem),
        _ => EncodingKey::from_rsa_pem(&pem),
    };
    encode(header, claims, &key.expect("the key suits the algorithm")).expect("it can be signed")
}

fn header(algorithm: Algorithm, kid: Option<&str>) -> Header {
    Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) }
}

fn invalid(verdict: Result<Claims, AuthError>) -> bool {
    matches!(verdict, Err(AuthError::Invalid(_)))
}

#[test]
fn a_pem_file_vouches_for_tokens_by_its_private_half() {
    for (name, algorithm) in KINDS {
        let keys = keys_of(&format!("{name}.public.pem"));
        let token = sign(name, &header(algorithm, None), &claims("alice"));
        assert!(keys.verify(&token).is_ok_and(|claims| claims.sub == "alice"), "{name}");
        let with_kid = sign(name, &header(algorithm, Some("any")), &claims("alice"));
        assert!(keys.verify(&with_kid).is_ok(), "{name}: a key without a name is tried for any");
        for (other, _) in KINDS.iter().filter(|(other, _)| *other != name) {
            assert!(invalid(keys_of(&format!("{other}.public.pem")).verify(&token)), "{name} by {other}");
        }
    }
}

#[test]
fn a_pem_file_may_hold_several_keys() {
    let all: Vec<u8> = KINDS.iter().flat_map(|(name, _)| read(&format!("{name}.public.pem"))).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), all).unwrap();
    let mut keys = KeySet::default();
    keys.add_public_keys(file.path()).unwrap();

    for (name, algorithm) in KINDS {
        assert!(keys.verify(&sign(name, &header(algorithm, None), &claims("alice"))).is_ok(), "{name}");
    }
}

#[test]
fn a_jwk_set_vouches_by_the_key_that_the_token_names() {
    // Besides keys of the kinds that are known it has some that aren't.
    let keys = keys_of("set.jwks.json");
    for (name, algorithm) in KINDS {
        for kid in [Some(name), None] {
            let token = sign(name, &header(algorithm, kid), &claims("alice"));
            assert!(keys.verify(&token).is_ok(), "{name} as {kid:?}");
        }
        let misnamed = if name == "rsa" { "p256" } else { "rsa" };
        for kid in [misnamed, "nobody", ""] {
            let token = sign(name, &header(algorithm, Some(kid)), &claims("alice"));
            assert!(invalid(keys.verify(&token)), "{name} as {kid:?}");
        }
    }
}

#[test]
fn other_algorithms_of_the_same_key_are_refused() {
    let keys = keys_of("rsa.public.pem");
    for algorithm in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
        assert!(
            invalid(keys.verify(&sign("rsa", &header(algorithm, None), &claims("alice")))),
            "{algorithm:?}"
        );
    }
    let mut keys = KeySet::default();
    keys.add_secret(SECRET);
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        let token =
            encode(&Header::new(algorithm), &claims("alice"), &EncodingKey::from_secret(SECRET)).unwrap();
        assert!(invalid(keys.verify(&token)), "{algorithm:?}");
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    for file in ["rsa.public.pem", "p256.public.pem", "ed25519.public.pem", "set.jwks.json"] {
        let bytes = read(file);
        for secret in [&bytes[..], bytes.trim_ascii_end()] {
            let forged = Minter::new(secret).mint(&claims("mallory")).unwrap();
            assert!(invalid(keys_of(file).verify(&forged)), "{file}");
        }
    }
}

#[test]
fn a_token_without_a_signature_is_refused() {
    let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims("mallory")).unwrap());
    let mut keys = keys_of("set.jwks.json");
    keys.add_secret(SECRET);
    for algorithm in ["none", "None", "NONE", "", "HS256", "RS256", "EdDSA"] {
        let header = URL_SAFE_NO_PAD.encode(json!({"alg": algorithm, "typ": "JWT"}).to_string());
        for token in
            [format!("{header}.{payload}."), format!("{header}.{payload}"), format!("{header}.{payload}.AA")]
        {
            assert!(invalid(keys.verify(&token)), "{algorithm}: {token}");
        }
    }
}

#[test]
fn a_key_that_comes_with_the_token_is_not_asked() {
    let mut keys = keys_of("rsa.public.pem");
    keys.add_secret(SECRET);
    let own = jsonwebtoken::jwk::Jwk::from_encoding_key(
        &EncodingKey::from_ec_pem(&read("p256.private.pem")).unwrap(),
        Algorithm::ES256,
    );
    let embedded = Header { jwk: own.ok(), ..header(Algorithm::ES256, None) };
    assert!(embedded.jwk.is_some());
    assert!(invalid(keys.verify(&sign("p256", &embedded, &claims("mallory")))));
}

#[test]
fn issuer_and_audience_are_checked_where_they_are_set() {
    let mut keys = KeySet::new(Some("https://id.example".into()), Some("suara".into()));
    keys.add_secret(SECRET);
    let verify = |iss: Option<&str>, aud: Option<serde_json::Value>| {
        let claims = Claims { iss: iss.map(str::to_owned), aud, ..claims("alice") };
        keys.verify(&crate::kit::mint(&claims)).is_ok()
    };
    let (good, suara) = (Some("https://id.example"), Some(json!("suara")));

    assert!(verify(good, suara.clone()));
    assert!(verify(good, Some(json!(["other", "suara"]))));
    for iss in [None, Some("https://id.example.evil"), Some("")] {
        assert!(!verify(iss, suara.clone()), "{iss:?}");
    }
    for aud in [None, Some(json!("other")), Some(json!([])), Some(json!(["suara2"])), Some(json!(7))] {
        assert!(!verify(good, aud.clone()), "{aud:?}");
    }
    let mut unset = KeySet::default();
    unset.add_secret(SECRET);
    let meant_for_others = Claims { aud: Some(json!("other")), iss: Some("x".into()), ..claims("alice") };
    assert!(unset.verify(&crate::kit::mint(&meant_for_others)).is_ok());
}

#[test]
fn claims_that_are_missing_or_of_the_wrong_kind_are_refused() {
    let mut keys = KeySet::default();
    keys.add_secret(SECRET);
    let exp = crate::kit::now() + 60;
    let bad = [
        json!({"sub": "alice"}),
        json!({"exp": exp}),
        json!({"sub": "alice", "exp": exp.to_string()}),
        json!({"sub": "alice", "exp": -1}),
        json!({"sub": "alice", "exp": null}),
        json!({"sub": 7, "exp": exp}),
        json!({"sub": "alice", "exp": exp, "scope": 7}),
        json!({"sub": "alice", "exp": exp, "channels": "*:listen"}),
        json!(["alice", exp]),
        json!("alice"),
    ];
    for claims in bad {
        let token = encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET)).unwrap();
        assert!(keys.verify(&token).is_err(), "{claims}");
    }
    let least = json!({"sub": "alice", "exp": exp, "unknown": {}});
    let token = encode(&Header::default(), &least, &EncodingKey::from_secret(SECRET)).unwrap();
    assert!(keys.verify(&token).is_ok());
}

#[test]
fn a_file_without_a_public_key_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let file = dir.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        file
    };
    let x25519 = r#"{"keys":[{"kty":"OKP","crv":"X25519","x":"AA"}]}"#;
    let bad = [
        write("empty", b""),
        write("empty set", br#"{"keys":[]}"#),
        write("keys for other ends", x25519.as_bytes()),
        write("a shared key", br#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#),
        path("rsa.private.pem"),
        path("p256.private.pem"),
        path("README.md"),
    ];
    for file in bad {
        let refused = KeySet::default().add_public_keys(&file);
        assert!(matches!(refused, Err(KeyError::NoKey { .. })), "{}: {refused:?}", file.display());
    }
    let missing = KeySet::default().add_public_keys(&dir.path().join("missing"));
    assert!(matches!(missing, Err(KeyError::Read { .. })));
}

#[tokio::test]
async fn a_deployments_own_issuer_opens_sessions() {
    let gateway = TestGateway::with(|settings| settings.keys = keys_of("set.jwks.json"));
    let token = sign("ed25519", &header(Algorithm::EdDSA, Some("ed25519")), &claims("alice"));
    assert_eq!(gateway.bearer(&token).await.next().await["user"], "alice");
    let mut forger =
        gateway.bearer(&Minter::new(&read("rsa.public.pem")).mint(&claims("mallory")).unwrap()).await;
    assert_eq!(forger.closing().await, "unauthenticated");
}
