/*
 * Settings from the environment. A bad value never passes in silence: one line names the variable, the value and
 * the range, and the caller gets -EINVAL.
 */
#ifndef TH_BASE_CONFIG_H
#define TH_BASE_CONFIG_H

#include "base/compiler.h"

/* A whole number, unset or empty: *value stays as it is. 0 or -EINVAL. */
int th_config_number(const char *name, uint64_t least, uint64_t most, uint64_t *value);

/* The same in bytes: K, M and G stand for powers of 1024. */
int th_config_bytes(const char *name, uint64_t least, uint64_t most, uint64_t *value);

#endif
