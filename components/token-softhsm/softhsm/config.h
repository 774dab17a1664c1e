/* What SoftHSM's configure would find out, for wasm32-wasip2: OpenSSL with elliptic and Edwards curves, objects in
 * files; no threads, no dlopen, no users, no GOST, no FIPS. */
#pragma once

#define CRYPTOKI_VISIBILITY 1
#define HAVE_AES_KEY_WRAP 1
#define HAVE_AES_KEY_WRAP_PAD 1
#define HAVE_CXX11 1
#define WITH_AES_GCM 1
#define WITH_ECC 1
#define WITH_EDDSA 1
#define WITH_OPENSSL 1
#define WITH_RAW_PSS 1

#define DEFAULT_LOG_LEVEL "ERROR"
#define DEFAULT_OBJECTSTORE_BACKEND "file"
/* Never used: ours.cpp takes the directory from the environment, and there is no file of settings. */
#define DEFAULT_TOKENDIR ""
#define DEFAULT_SOFTHSM2_CONF ""
#define DEFAULT_PKCS11_LIB ""

/* As Debian's build has them: both must accept the same PINs. In bytes. */
#define MIN_PIN_LEN 4
#define MAX_PIN_LEN 255

#define PACKAGE "softhsm"
#define PACKAGE_NAME "SoftHSM"
#define PACKAGE_STRING "SoftHSM 2.6.1"
#define PACKAGE_VERSION "2.6.1"
#define VERSION "2.6.1"
#define VERSION_MAJOR 2
#define VERSION_MINOR 6
