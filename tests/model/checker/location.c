/*
 * Atomic locations: the stores to each, in modification order, and the memory behind them, which always holds the
 * newest. They come into being at the first atomic operation on an address, with what was there as their first store,
 * and last as long as the execution.
 */
#include "engine.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { LOCATIONS_MAX = 1 << 16, MESSAGES_MAX = 1 << 20 };

static struct location *locations;
static uint32_t location_count;
static struct message *messages;
static uint32_t message_count;

void location_init(void)
{
    int protection = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    locations = mmap(NULL, sizeof *locations * LOCATIONS_MAX, protection, flags, -1, 0);
    messages = mmap(NULL, sizeof *messages * MESSAGES_MAX, protection, flags, -1, 0);
    if (locations == MAP_FAILED || messages == MAP_FAILED)
        abort();
}

void location_reset(void)
{
    location_count = 0;
    message_count = 0;
}

struct location *location_numbered(uint32_t index)
{
    return &locations[index - 1];
}

uint64_t value_read(uintptr_t address, unsigned size)
{
    uint64_t value = 0;
    switch (size) {
    case 1:
        value = *(uint8_t *)address;
        break;
    case 2:
        value = *(uint16_t *)address;
        break;
    case 4:
        value = *(uint32_t *)address;
        break;
    default:
        value = *(uint64_t *)address;
    }
    return value;
}

void value_write(uintptr_t address, unsigned size, uint64_t value)
{
    switch (size) {
    case 1:
        *(uint8_t *)address = (uint8_t)value;
        break;
    case 2:
        *(uint16_t *)address = (uint16_t)value;
        break;
    case 4:
        *(uint32_t *)address = (uint32_t)value;
        break;
    default:
        *(uint64_t *)address = value;
    }
}

/* ---- Messages and their order */

struct message *message_create(void)
{
    if (message_count == MESSAGES_MAX)
        engine_fail(0, "more than %d stores in one execution", MESSAGES_MAX);
    struct message *message = &messages[message_count++];
    memset(message->seen, 0xff, sizeof message->seen);
    message->sc = 0;
    message->is_update = false;
    return message;
}

static void location_hash(struct location *location, uint64_t hash)
{
    location->hash = hash;
    uint64_t counted = hash_mix(hash, location->address);
    engine.state += counted - location->counted;
    location->counted = counted;
}

static void location_reserve(struct location *location)
{
    if (location->count < location->capacity)
        return;
    location->capacity = location->capacity != 0 ? location->capacity * 2 : 8;
    location->order = realloc(location->order, location->capacity * sizeof *location->order);
    if (location->order == NULL)
        abort();
}

/* Puts a store at a place in the modification order. */
void location_place(struct location *location, uint32_t place, struct message *message)
{
    if (engine.mode != MODEL_WEAK) {
        location->order[0] = message;
        location_hash(location, hash_mix(location->hash, message->hash));
        return;
    }
    location_reserve(location);
    memmove(&location->order[place + 1], &location->order[place], (location->count - place) * sizeof *location->order);
    location->order[place] = message;
    location->count++;
    if (place + 1 == location->count) {
        location_hash(location, hash_mix(location->hash, message->hash));
        return;
    }
    uint64_t hash = 0;
    for (uint32_t i = 1; i < location->count; i++)
        hash = hash_mix(hash, location->order[i]->hash);
    location_hash(location, hash);
}

struct message *location_newest(const struct location *location)
{
    return location->order[location->count - 1];
}

/* Plain writes since the last atomic operation become a store, as of the thread that made them. */
static void location_adopt_plain(struct location *location)
{
    location->is_plainly_written = false;
    struct message *message = message_create();
    message->value = value_read(location->address, location->size);
    message->thread = location->plain_thread;
    message->epoch = location->plain_epoch;
    message->seen[message->thread] = message->epoch;
    message->hash = hash_mix(location->plain_thread, location->plain_epoch);
    message->view = (struct view){.sc = 0};
    location_place(location, location->count, message);
}

static struct location *location_create(uintptr_t address, unsigned size)
{
    if (location_count == LOCATIONS_MAX)
        engine_fail(address, "more than %d atomic locations in one execution", LOCATIONS_MAX);
    struct location *location = &locations[location_count++];
    location->address = address;
    location->size = size;
    location->count = 0;
    location->hash = 0;
    location->counted = 0;
    location->is_plainly_written = false;
    memset(location->reads, 0, sizeof location->reads);
    memset(location->writes, 0, sizeof location->writes);
    location_reserve(location);
    /* What was there before: known to everybody, from nobody; that it is initialised at all is the race check's. */
    struct message *message = message_create();
    message->value = value_read(address, size);
    message->hash = 0;
    message->thread = 0;
    message->epoch = 0;
    message->seen[0] = 0;
    message->view = (struct view){.sc = 0};
    location->order[location->count++] = message;
    for (uintptr_t at = address & ~(uintptr_t)3; at < address + size; at += 4)
        shadow_cell(at)->location = location_count;
    return location;
}

struct location *location_at(uintptr_t address, unsigned size)
{
    struct cell *cell = shadow_cell(address);
    if (cell == NULL)
        return NULL;
    if (cell->location == 0) {
        struct cell *last = shadow_cell(address + size - 1);
        if (last->location == 0) {
            if (address % size != 0)
                engine_fail(address, "an atomic operation on an address that is not aligned");
            return location_create(address, size);
        }
        cell = last;
    }
    struct location *location = location_numbered(cell->location);
    if (location->address != address || location->size != size)
        engine_fail(address, "atomic operations of different sizes overlap: not modelled");
    if (location->is_plainly_written)
        location_adopt_plain(location);
    return location;
}
