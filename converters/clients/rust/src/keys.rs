// SPDX-License-Identifier: BSD-3-Clause
// Keys: public halves in PEM, and shared secrets. The cryptography is OpenSSL's.
use crate::digests::{library, sha256};
use crate::errors::{need_else, Code, Error};
use crate::files;
use crate::signatures::{ec_fits, ed25519_fits, hmac_fits};
use crate::texts::{from_base64, from_hex, hex};
use openssl::base64::encode_block;
use openssl::ec::EcKey;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::md::Md;
use openssl::pkey::{Id, PKey, Private, Public};
use openssl::pkey_ctx::PkeyCtx;
use std::fmt;
use std::path::Path;

const HMAC_LINE: &str = "safeserial-hmac-sha256-v1:";
const NOT_A_KEY: &str = "give the PEM of a public key, or the one line of a shared secret";
const LONGEST: u64 = 16_384;
const PRIME: &str = "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed";
/// The y of every point whose order divides 8: under such a key anybody can sign.
const WEAK: [&str; 5] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000001",
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffec",
    "05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826",
    "7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7",
];
/// Label, how the public half begins in DER, and how many bytes follow.
const KINDS: [(&str, &str, usize); 4] = [
    ("ed25519", "302a300506032b6570032100", 32),
    ("p256", "3059301306072a8648ce3d020106082a8648ce3d030107034200", 65),
    ("p384", "3076301006072a8648ce3d020106052b81040022036200", 97),
    ("p521", "30819b301006072a8648ce3d020106052b8104002303818600", 133),
];

/// What a signature is for: HMAC signs artifacts and files beside them with different subkeys.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Artifact,
    Beside,
}

/// Somebody whom you trust: a public key, or a secret that you share.
pub struct Key {
    id: String,
    hint: String,
    half: Half,
}

enum Half {
    Ed25519(PKey<Public>),
    Curve(EcKey<Public>, MessageDigest),
    Secret { artifact: PKey<Private>, beside: PKey<Private> },
}

impl Key {
    /// Read a key file: a public key in PEM (Ed25519, P-256, P-384, P-521), or a shared secret (one line).
    ///
    /// # Errors
    /// [`Code::Key`] if it is no such key, or one under which anybody could sign.
    pub fn from_file(place: impl AsRef<Path>) -> Result<Self, Error> {
        let data = files::content(place.as_ref(), LONGEST)?;
        let text = String::from_utf8(data)
            .map_err(|_| Error::new(Code::Key, "that is no key", NOT_A_KEY))?;
        Self::read(&text)
    }

    /// Read a key from its text.
    ///
    /// # Errors
    /// As [`Key::from_file`].
    pub fn read(text: &str) -> Result<Self, Error> {
        let line = text.trim();
        if let Some(secret) = line.strip_prefix(HMAC_LINE) {
            return Self::secret(secret);
        }
        let body = line
            .strip_prefix("-----BEGIN PUBLIC KEY-----")
            .filter(|rest| rest.starts_with(['\n', '\r']))
            .and_then(|rest| rest.strip_suffix("-----END PUBLIC KEY-----"))
            .ok_or_else(|| Error::new(Code::Key, "that is no public key in PEM", NOT_A_KEY))?;
        let body: String = body.split_ascii_whitespace().collect();
        let der = from_base64(&body, "the public key")
            .map_err(|error| Error::new(Code::Key, error.message, NOT_A_KEY))?;
        Self::public(&der)
    }

    fn public(der: &[u8]) -> Result<Self, Error> {
        let digits = hex(der);
        let fits = |(_, start, more): &&(&str, &str, usize)| {
            digits.len() == start.len() + 2 * more && digits.starts_with(start)
        };
        let Some((label, start, _)) = KINDS.iter().find(fits) else {
            let hint = "Ed25519, P-256, P-384 or P-521";
            return Err(Error::new(Code::Key, "this kind of public key is not read here", hint));
        };
        let unusable =
            |_: ErrorStack| Error::new(Code::Key, "the public key cannot be used", NOT_A_KEY);
        let half = if *label == "ed25519" {
            let strong = is_strong(digits.get(start.len()..).unwrap_or_default());
            need_else(strong, Code::Key, "under this key anybody can sign", NOT_A_KEY)?;
            Half::Ed25519(PKey::public_key_from_der(der).map_err(unusable)?)
        } else {
            let curve =
                PKey::public_key_from_der(der).and_then(|key| key.ec_key()).map_err(unusable)?;
            curve.check_key().map_err(unusable)?;
            let hashed = match *label {
                "p256" => MessageDigest::sha256(),
                "p384" => MessageDigest::sha384(),
                _ => MessageDigest::sha512(),
            };
            Half::Curve(curve, hashed)
        };
        let id = format!("{label}-{}", hex(sha256(der)?.get(..16).unwrap_or_default()));
        let hint = match half {
            Half::Curve(..) => hex(&sha256(pem(der).as_bytes())?),
            _ => id.clone(),
        };
        Ok(Self { id, hint, half })
    }

    fn secret(text: &str) -> Result<Self, Error> {
        let bad =
            |message: &str| Error::new(Code::Key, message, "make one with: safeserial keys new");
        if text.contains(['+', '/']) {
            return Err(bad("the shared secret is not base64url"));
        }
        let text = text.replace('-', "+").replace('_', "/");
        let secret =
            from_base64(&text, "the shared secret").map_err(|error| bad(&error.message))?;
        let mut seen = [false; 256];
        for one in &secret {
            if let Some(place) = seen.get_mut(usize::from(*one)) {
                *place = true;
            }
        }
        let distinct = seen.iter().filter(|one| **one).count();
        if !(32..=1024).contains(&secret.len()) || distinct < 8 {
            return Err(bad("the shared secret is too weak"));
        }
        let subkey = |purpose: &str| derive(&secret, purpose).map_err(|error| library(&error));
        let signer = |purpose: &str| PKey::hmac(&subkey(purpose)?).map_err(|error| library(&error));
        let id = format!("hmac-{}", hex(subkey("key-id")?.get(..16).unwrap_or_default()));
        let half = Half::Secret {
            artifact: signer("artifact-signature")?,
            beside: signer("detached-signature")?,
        };
        Ok(Self { hint: id.clone(), id, half })
    }

    /// The key's name, as signatures have it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How Model Signing names the key; the same as the id where it is on no curve.
    pub(crate) fn hint(&self) -> &str {
        &self.hint
    }

    pub(crate) fn is_curve(&self) -> bool {
        matches!(self.half, Half::Curve(..))
    }

    /// Say whether a signature over some bytes is by this key; the algorithm is the key's.
    pub(crate) fn fits(&self, message: &[u8], value: &[u8], purpose: Purpose) -> bool {
        let found = match (&self.half, purpose) {
            (Half::Ed25519(key), _) => ed25519_fits(key, message, value),
            (Half::Curve(key, hashed), _) => ec_fits(key, *hashed, message, value),
            (Half::Secret { artifact, .. }, Purpose::Artifact) => {
                hmac_fits(artifact, message, value)
            }
            (Half::Secret { beside, .. }, Purpose::Beside) => hmac_fits(beside, message, value),
        };
        found.unwrap_or(false)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Say whether 32 bytes, in hex and little-endian, are a point under which not just anybody can sign.
fn is_strong(digits: &str) -> bool {
    let Some(mut point) = from_hex::<32>(digits) else { return false };
    point.reverse();
    if let Some(top) = point.first_mut() {
        *top &= 0x7f; // the sign of x
    }
    let y = hex(&point);
    y.as_str() < PRIME && !WEAK.contains(&y.as_str()) // as many digits each, so this is the order of numbers
}

/// The text that `model_signing` hashes to name a public key.
fn pem(der: &[u8]) -> String {
    let text = encode_block(der);
    let mut found = String::from("-----BEGIN PUBLIC KEY-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        found.push_str(line);
        found.push('\n');
        rest = more;
    }
    found + "-----END PUBLIC KEY-----\n"
}

/// HKDF-SHA256 without salt: a key for one purpose.
fn derive(secret: &[u8], purpose: &str) -> Result<[u8; 32], ErrorStack> {
    let mut context = PkeyCtx::new_id(Id::HKDF)?;
    context.derive_init()?;
    context.set_hkdf_md(Md::sha256())?;
    context.set_hkdf_key(secret)?;
    context.add_hkdf_info(format!("safeserial/v1/{purpose}").as_bytes())?;
    let mut found = [0; 32];
    context.derive(Some(&mut found))?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{derive, Key, WEAK};
    use crate::texts::{from_hex, hex};
    use openssl::base64::encode_block;

    fn ed25519(point: &[u8]) -> Result<Key, crate::Error> {
        let mut der = from_hex::<12>("302a300506032b6570032100").expect("hex").to_vec();
        der.extend_from_slice(point);
        Key::read(&format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            encode_block(&der)
        ))
    }

    #[test]
    fn the_subkey_of_the_specification() {
        let secret: Vec<u8> = (0..32).collect();
        let found = derive(&secret, "artifact-signature").expect("OpenSSL derives");
        assert_eq!(hex(&found), "a1e31b5efc33adccb52282488e7f9c5ddf258e25fad31d057e4b8addc15c1c58");
        let line =
            format!("safeserial-hmac-sha256-v1:{}\n", encode_block(&secret).replace('+', "-"));
        let key = Key::read(&line.replace('/', "_")).expect("a secret");
        assert_eq!(key.id(), "hmac-0f1078a4305efa7e190fd96539ae4ecf");
        assert!(!format!("{key:?}").contains("AAEC"));
    }

    #[test]
    fn points_under_which_anybody_can_sign() {
        for (top, digits) in WEAK.iter().flat_map(|one| [(0, one), (0x80, one)]) {
            let mut point = from_hex::<32>(digits).expect("hex");
            point[0] |= top;
            point.reverse();
            assert!(ed25519(&point).is_err(), "{digits}");
        }
        let mut large = [0xff; 32]; // y is not below the prime
        assert!(ed25519(&large).is_err());
        large[0] = 0xee;
        assert!(ed25519(&large).is_err());
        assert!(ed25519(&[3; 32]).is_ok());
        assert!(ed25519(&[3; 31]).is_err());
    }

    #[test]
    fn secrets_that_are_too_weak() {
        for secret in [vec![7_u8; 40], (0..31).collect(), (0..=255).cycle().take(1025).collect()] {
            assert!(
                Key::read(&format!("safeserial-hmac-sha256-v1:{}", encode_block(&secret))).is_err()
            );
        }
    }
}
