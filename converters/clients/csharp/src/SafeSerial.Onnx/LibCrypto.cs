// SPDX-License-Identifier: BSD-3-Clause
// The cryptography: OpenSSL 3's libcrypto.  .NET's base library has no Ed25519, and mono no ECDSA.
using System;
using System.Runtime.InteropServices;

namespace SafeSerial.Onnx
{
    internal static class LibCrypto
    {
#if ON_WINDOWS
        private const string Library = "libcrypto-3-x64";
#elif ON_MACOS
        private const string Library = "libcrypto.3.dylib";
#else
        private const string Library = "libcrypto.so.3";
#endif
        private const int Hkdf = 1036; // EVP_PKEY_HKDF

        [DllImport(Library)] private static extern IntPtr EVP_sha256();
        [DllImport(Library)] private static extern IntPtr EVP_sha384();
        [DllImport(Library)] private static extern IntPtr EVP_sha512();
        [DllImport(Library)] private static extern void ERR_clear_error();
        [DllImport(Library)] private static extern IntPtr d2i_PUBKEY(IntPtr key, ref IntPtr at, IntPtr size);
        [DllImport(Library)] private static extern void EVP_PKEY_free(IntPtr key);
        [DllImport(Library)] private static extern IntPtr EVP_MD_CTX_new();
        [DllImport(Library)] private static extern void EVP_MD_CTX_free(IntPtr context);
        [DllImport(Library)]
        private static extern int EVP_DigestVerifyInit(
            IntPtr context, IntPtr keyContext, IntPtr hash, IntPtr engine, IntPtr key);
        [DllImport(Library)]
        private static extern int EVP_DigestVerify(
            IntPtr context, byte[] signature, UIntPtr size, byte[] message, UIntPtr length);
        [DllImport(Library)]
        private static extern IntPtr HMAC(
            IntPtr hash, byte[] key, int keySize, byte[] message, UIntPtr size,
            [In, Out] byte[] tag, out uint length);
        [DllImport(Library)]
        private static extern int CRYPTO_memcmp(byte[] one, byte[] other, UIntPtr size);
        [DllImport(Library)] private static extern IntPtr EVP_PKEY_CTX_new_id(int id, IntPtr engine);
        [DllImport(Library)] private static extern void EVP_PKEY_CTX_free(IntPtr context);
        [DllImport(Library)] private static extern int EVP_PKEY_derive_init(IntPtr context);
        [DllImport(Library)] private static extern int EVP_PKEY_CTX_set_hkdf_md(IntPtr context, IntPtr hash);
        [DllImport(Library)]
        private static extern int EVP_PKEY_CTX_set1_hkdf_key(IntPtr context, byte[] key, int size);
        [DllImport(Library)]
        private static extern int EVP_PKEY_CTX_add1_hkdf_info(IntPtr context, byte[] info, int size);
        [DllImport(Library)]
        private static extern int EVP_PKEY_derive(IntPtr context, [In, Out] byte[] made, ref UIntPtr size);

        /// <summary>Say whether libcrypto takes a public key: its point is on its curve.</summary>
        internal static bool IsKey(byte[] der) => WithKey(der, key => true);

        /// <summary>Say whether a signature fits; hash is 0 for Ed25519, 256, 384 or 512 for ECDSA.</summary>
        internal static bool Fits(byte[] der, int hash, byte[] message, byte[] signature) =>
            WithKey(der, key => Fits(key, hash, message, signature));

        private static bool Fits(IntPtr key, int hash, byte[] message, byte[] signature)
        {
            var context = EVP_MD_CTX_new();
            try
            {
                var ready = EVP_DigestVerifyInit(context, IntPtr.Zero, Hash(hash), IntPtr.Zero, key) == 1;
                return ready && EVP_DigestVerify(context, signature, (UIntPtr)signature.Length,
                    message, (UIntPtr)message.Length) == 1;
            }
            finally
            {
                EVP_MD_CTX_free(context);
                ERR_clear_error();
            }
        }

        private static IntPtr Hash(int bits)
        {
            switch (bits)
            {
                case 256: return EVP_sha256();
                case 384: return EVP_sha384();
                case 512: return EVP_sha512();
                default: return IntPtr.Zero;
            }
        }

        private static bool WithKey(byte[] der, Func<IntPtr, bool> use)
        {
            return Loaded(() =>
            {
                var pinned = GCHandle.Alloc(der, GCHandleType.Pinned);
                var key = IntPtr.Zero;
                try
                {
                    var begin = pinned.AddrOfPinnedObject();
                    var at = begin;
                    key = d2i_PUBKEY(IntPtr.Zero, ref at, (IntPtr)der.Length);
                    var whole = key != IntPtr.Zero && at.ToInt64() - begin.ToInt64() == der.Length;
                    return whole && use(key);
                }
                finally
                {
                    if (key != IntPtr.Zero) EVP_PKEY_free(key);
                    pinned.Free();
                    ERR_clear_error();
                }
            });
        }

        /// <summary>Compare a tag with HMAC-SHA256 of a message, in constant time.</summary>
        internal static bool TagFits(byte[] key, byte[] message, byte[] tag)
        {
            return Loaded(() =>
            {
                var wanted = new byte[32];
                var made = HMAC(EVP_sha256(), key, key.Length, message, (UIntPtr)message.Length,
                    wanted, out var size);
                Must.Be(made != IntPtr.Zero && size == 32, "libcrypto has no HMAC", ErrorCode.Runtime, Advice);
                return tag.Length == 32 && CRYPTO_memcmp(wanted, tag, (UIntPtr)32) == 0;
            });
        }

        /// <summary>HKDF-SHA256 without salt (RFC 5869), 32 bytes.</summary>
        internal static byte[] Derived(byte[] secret, byte[] info)
        {
            return Loaded(() =>
            {
                var made = new byte[32];
                var size = (UIntPtr)made.Length;
                var context = EVP_PKEY_CTX_new_id(Hkdf, IntPtr.Zero);
                try
                {
                    var done = context != IntPtr.Zero
                        && EVP_PKEY_derive_init(context) == 1
                        && EVP_PKEY_CTX_set_hkdf_md(context, EVP_sha256()) == 1
                        && EVP_PKEY_CTX_set1_hkdf_key(context, secret, secret.Length) == 1
                        && EVP_PKEY_CTX_add1_hkdf_info(context, info, info.Length) == 1
                        && EVP_PKEY_derive(context, made, ref size) == 1;
                    Must.Be(done, "libcrypto has no HKDF", ErrorCode.Runtime, Advice);
                    return made;
                }
                finally
                {
                    EVP_PKEY_CTX_free(context);
                    ERR_clear_error();
                }
            });
        }

        private const string Advice = "install OpenSSL 3 (on Debian the package libssl3)";

        private static T Loaded<T>(Func<T> use)
        {
            try
            {
                return use();
            }
            catch (Exception error) when (
                error is DllNotFoundException || error is EntryPointNotFoundException)
            {
                throw new SafeSerialException(ErrorCode.Runtime,
                    "the library " + Library + " cannot be used", Advice, error);
            }
        }
    }
}
