#include "io/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct network {
    const char *name;
    int domain; /* AF_UNSPEC: both families */
    int type;
};

static const struct network networks[] = {
    {"tcp", AF_UNSPEC, SOCK_STREAM}, {"tcp4", AF_INET, SOCK_STREAM},    {"tcp6", AF_INET6, SOCK_STREAM},
    {"udp", AF_UNSPEC, SOCK_DGRAM},  {"udp4", AF_INET, SOCK_DGRAM},     {"udp6", AF_INET6, SOCK_DGRAM},
    {"unix", AF_UNIX, SOCK_STREAM},  {"unixgram", AF_UNIX, SOCK_DGRAM},
};

static const struct network *find_network(const char *name)
{
    for (size_t i = 0; i < TH_COUNT_OF(networks); i++) {
        if (strcmp(networks[i].name, name) == 0)
            return &networks[i];
    }
    return NULL;
}

static int find_local(const struct network *network, const char *text, struct th_endpoint *found)
{
    struct sockaddr_un *address = &found->address.local;
    size_t length = strlen(text);
    if (length == 0 || length >= sizeof address->sun_path)
        return -EINVAL;
    memset(found, 0, sizeof *found);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, text, length);
    bool is_abstract = text[0] == '@';
    if (is_abstract)
        address->sun_path[0] = '\0';
    /* A path ends with its zero, an abstract name with its length. */
    found->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + !is_abstract);
    found->type = network->type;
    return 1;
}

/* "HOST:PORT" or "[HOST]:PORT" in two. */
static bool split(const char *text, struct th_name *name)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon[1] < '0' || colon[1] > '9')
        return false;
    char *end;
    unsigned long number = strtoul(colon + 1, &end, 10);
    size_t length = (size_t)(colon - text);
    bool is_bracketed = length >= 2 && text[0] == '[' && colon[-1] == ']';
    if (*end != '\0' || number > 65535 || length >= sizeof name->host)
        return false;
    if (is_bracketed) {
        text++;
        length -= 2;
    }
    memcpy(name->host, text, length);
    name->host[length] = '\0';
    name->port = (uint16_t)number;
    return is_bracketed || strchr(name->host, ':') == NULL;
}

static void add4(struct th_endpoint *found, struct in_addr address, uint16_t port)
{
    memset(found, 0, sizeof *found);
    found->address.ip4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = address};
    found->length = sizeof found->address.ip4;
}

static void add6(struct th_endpoint *found, struct in6_addr address, uint32_t scope, uint16_t port)
{
    memset(found, 0, sizeof *found);
    found->address.ip6 = (struct sockaddr_in6){
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = address, .sin6_scope_id = scope};
    found->length = sizeof found->address.ip6;
}

/* A number of an interface ("%eth0", "%2") behind an address; 0 if there is none. */
static bool take_scope(char *host, uint32_t *scope)
{
    char *percent = strchr(host, '%');
    *scope = 0;
    if (percent == NULL)
        return true;
    *percent = '\0';
    *scope = if_nametoindex(percent + 1);
    if (*scope == 0)
        *scope = (uint32_t)strtoul(percent + 1, NULL, 10);
    return *scope != 0;
}

/* Both of a machine's own: the loopback, or every address there is. */
static int find_own(int domain, bool is_loopback, uint16_t port, struct th_endpoint *found)
{
    struct in_addr own4 = {.s_addr = htonl(is_loopback ? INADDR_LOOPBACK : INADDR_ANY)};
    int count = 0;
    if (domain != AF_INET)
        add6(&found[count++], is_loopback ? in6addr_loopback : in6addr_any, 0, port);
    if (domain != AF_INET6)
        add4(&found[count++], own4, port);
    return count;
}

static int find_internet(const char *text, struct th_endpoint *found, struct th_name *name)
{
    uint32_t scope;
    struct in_addr address4;
    struct in6_addr address6;
    int count = 0;
    if (!split(text, name))
        return -EINVAL;
    if (name->host[0] == '\0' || strcmp(name->host, "localhost") == 0) {
        count = find_own(name->domain, name->host[0] != '\0', name->port, found);
    } else if (inet_pton(AF_INET, name->host, &address4) == 1) {
        if (name->domain == AF_INET6)
            return -EINVAL;
        add4(&found[count++], address4, name->port);
    } else {
        bool has_scope = take_scope(name->host, &scope);
        if (inet_pton(AF_INET6, name->host, &address6) != 1)
            return strpbrk(text, "[%") == NULL ? 0 : -EINVAL;
        if (name->domain == AF_INET || !has_scope)
            return -EINVAL;
        add6(&found[count++], address6, scope, name->port);
    }
    for (int i = 0; i < count; i++)
        found[i].type = name->type;
    return count;
}

int th_address_find(const char *network, const char *text, struct th_endpoint *found, struct th_name *name)
{
    const struct network *known = find_network(network);
    if (known == NULL)
        return -EINVAL;
    if (known->domain == AF_UNIX)
        return find_local(known, text, found);
    name->domain = known->domain;
    name->type = known->type;
    return find_internet(text, found, name);
}

int th_address_text(const struct sockaddr_un *address, socklen_t length, char *to, size_t capacity)
{
    enum { BEGIN = offsetof(struct sockaddr_un, sun_path) + 1, PREFIX = sizeof TH_ADDRESS_SIMULATED - 1 };
    const char *path = address->sun_path + 1;
    if (length < BEGIN + PREFIX || address->sun_path[0] != '\0' || memcmp(path, TH_ADDRESS_SIMULATED, PREFIX) != 0)
        return -EINVAL;
    const char *end = path + (length - BEGIN), *slash = memchr(path, '/', length - BEGIN);
    return slash != NULL ? snprintf(to, capacity, "%.*s", (int)(end - slash) - 1, slash + 1) : -EINVAL;
}

static int print_local(const struct sockaddr_un *address, socklen_t length, char *to, size_t capacity)
{
    size_t bytes =
        length > offsetof(struct sockaddr_un, sun_path) ? length - offsetof(struct sockaddr_un, sun_path) : 0;
    /* The kernel counts a zero behind a path that fills it all. */
    if (bytes > sizeof address->sun_path)
        bytes = sizeof address->sun_path;
    if (bytes == 0)
        return snprintf(to, capacity, "%s", "");
    int simulated = th_address_text(address, length, to, capacity);
    if (simulated >= 0)
        return simulated;
    if (address->sun_path[0] == '\0')
        return snprintf(to, capacity, "@%.*s", (int)bytes - 1, address->sun_path + 1);
    return snprintf(to, capacity, "%.*s", (int)strnlen(address->sun_path, bytes), address->sun_path);
}

int th_address_print(const struct sockaddr *address, socklen_t length, char *to, size_t capacity)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (address->sa_family == AF_UNIX)
        return print_local((const void *)address, length, to, capacity);
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *ip4 = (const void *)address;
        (void)inet_ntop(AF_INET, &ip4->sin_addr, host, sizeof host);
        return snprintf(to, capacity, "%s:%u", host, ntohs(ip4->sin_port));
    }
    if (address->sa_family != AF_INET6)
        return -EAFNOSUPPORT;
    const struct sockaddr_in6 *ip6 = (const void *)address;
    (void)inet_ntop(AF_INET6, &ip6->sin6_addr, host, sizeof host);
    if (ip6->sin6_scope_id != 0)
        return snprintf(to, capacity, "[%s%%%u]:%u", host, ip6->sin6_scope_id, ntohs(ip6->sin6_port));
    return snprintf(to, capacity, "[%s]:%u", host, ntohs(ip6->sin6_port));
}
