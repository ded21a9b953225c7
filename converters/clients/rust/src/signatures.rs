// SPDX-License-Identifier: BSD-3-Clause
// Whether a signature fits; OpenSSL computes, and what it would let pass is refused before.
use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::ec::EcKeyRef;
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::{hash, MessageDigest};
use openssl::memcmp;
use openssl::pkey::{PKeyRef, Private, Public};
use openssl::sign::{Signer, Verifier};
use std::cmp::Ordering;

const ORDER: &str = "1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed";

/// Ed25519: 64 bytes, whose second half, as a number, is below the order of the group.
pub(crate) fn ed25519_fits(
    key: &PKeyRef<Public>,
    message: &[u8],
    value: &[u8],
) -> Result<bool, ErrorStack> {
    let second: Vec<u8> = value.iter().skip(32).rev().copied().collect();
    let number = BigNum::from_slice(&second)?;
    if value.len() != 64 || number.ucmp(&*BigNum::from_hex_str(ORDER)?) != Ordering::Less {
        return Ok(false);
    }
    Verifier::new_without_digest(key)?.verify_oneshot(value, message)
}

/// ECDSA: r and s in DER and in no other form, each from 1 to the order less 1, s high or low.
pub(crate) fn ec_fits(
    key: &EcKeyRef<Public>,
    hashed: MessageDigest,
    message: &[u8],
    value: &[u8],
) -> Result<bool, ErrorStack> {
    let pair = EcdsaSig::from_der(value)?;
    let mut order = BigNum::new()?;
    key.group().order(&mut order, &mut *BigNumContext::new()?)?;
    let in_range = |one: &BigNumRef| {
        !one.is_negative() && one.num_bits() > 0 && one.ucmp(&order) == Ordering::Less
    };
    if pair.to_der()? != value || !in_range(pair.r()) || !in_range(pair.s()) {
        return Ok(false);
    }
    let digest = hash(hashed, message)?;
    pair.verify(&digest, key)
}

/// HMAC-SHA256, compared in constant time.
pub(crate) fn hmac_fits(
    key: &PKeyRef<Private>,
    message: &[u8],
    value: &[u8],
) -> Result<bool, ErrorStack> {
    let tag = Signer::new(MessageDigest::sha256(), key)?.sign_oneshot_to_vec(message)?;
    Ok(tag.len() == value.len() && memcmp::eq(&tag, value))
}
