/* What thrum-top shows, as text: of two snapshots, for what happens in a second is their difference. */
#ifndef TH_TOP_PAGE_H
#define TH_TOP_PAGE_H

#include "top/snapshot.h"

/* Lines; the caller's to free, NULL: no memory. `before` may be NULL: nothing is known of speeds then. */
char *th_page_head(const struct th_link *link, const struct th_snapshot *now, const struct th_snapshot *before);
/* Those of heads begin with '\1'. */
char *th_page_body(const struct th_snapshot *now, const struct th_snapshot *before);

#endif
