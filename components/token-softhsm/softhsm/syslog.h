/* wasi-libc has no syslog; ours.cpp writes to stderr. */
#pragma once

#define LOG_ERR 3
#define LOG_WARNING 4
#define LOG_INFO 6
#define LOG_DEBUG 7

extern "C" void syslog(int priority, const char* format, ...);
