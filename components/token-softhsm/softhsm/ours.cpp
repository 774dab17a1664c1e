// What SoftHSM asks of a system and wasm32-wasip2 does not have: locks between threads, a log, a file of settings,
// process ids and exceptions. Stands in for upstream's osmutex.cpp and SimpleConfigLoader.cpp, which are not compiled.

#include "config.h"
#include "SimpleConfigLoader.h"
#include "osmutex.h"
#include "syslog.h"
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <typeinfo>

// One thread: a lock is always free.
CK_RV OSCreateMutex(CK_VOID_PTR_PTR newMutex)
{
	static int none;
	*newMutex = &none;
	return CKR_OK;
}

CK_RV OSDestroyMutex(CK_VOID_PTR) { return CKR_OK; }
CK_RV OSLockMutex(CK_VOID_PTR) { return CKR_OK; }
CK_RV OSUnlockMutex(CK_VOID_PTR) { return CKR_OK; }

// Settings: where tokens are, and nothing else. An empty path is no directory, so C_Initialize fails without it.
std::unique_ptr<SimpleConfigLoader> SimpleConfigLoader::instance(nullptr);

SimpleConfigLoader::SimpleConfigLoader() { }

SimpleConfigLoader* SimpleConfigLoader::i()
{
	if (!instance) instance.reset(new SimpleConfigLoader());
	return instance.get();
}

bool SimpleConfigLoader::loadConfiguration()
{
	const char* directory = std::getenv("SECURE_LOG_TOKEN_DIR");
	Configuration::i()->setString("directories.tokendir", directory ? directory : "");
	return true;
}

extern "C" {

// Errors only. SoftHSM's messages hold paths, numbers and the words of the system, never a PIN or a key.
void syslog(int priority, const char* format, ...)
{
	if (priority > LOG_ERR) return;
	char line[4300];
	va_list arguments;
	va_start(arguments, format);
	std::vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	std::fprintf(stderr, "token-softhsm: %s\n", line);
}

// SoftHSM watches for forks, OpenSSL mixes it into random numbers that come from the host.
int getpid() { return 1; }

// There is no unwinding: an exception ends this instance. The memory of a thrown value is never read again.
void* __cxa_allocate_exception(size_t size) noexcept { return std::malloc(size); }

[[noreturn]] void __cxa_throw(void*, std::type_info* type, void (*)(void*))
{
	std::fprintf(stderr, "token-softhsm: C++ exception of type %s: this instance of the token ends here\n", type->name());
	__builtin_trap();
}

}
