/*
 * The site of site.h, for a browser: `serve_site ADDRESS` serves it until it is killed, as `serve_site :8080`. Alone it
 * only tells that it could, and prints:
 *
 *     serving on 127.0.0.1:...
 *     closed again
 */
#include "site.h"

static int app(void *arg)
{
    const char *address = arg;
    struct site site;
    int code = site_open(&site, address != NULL ? address : "127.0.0.1:0");
    if (code < 0)
        return code;
    printf("serving on %s\n", site.address);
    (void)fflush(stdout);
    if (address != NULL)
        code = thrum_group_wait(&site.group);
    site_close(&site);
    puts("closed again");
    return code;
}

int main(int argc, char **argv)
{
    int code = thrum_run(app, argc > 1 ? argv[1] : NULL);
    if (code < 0)
        fprintf(stderr, "serve_site: %s\n", thrum_strerror(code));
    return code < 0 ? 1 : 0;
}
