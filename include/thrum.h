/*
 * thrum: green threads on all cores for C programs.
 *
 * The umbrella: includes every public header. Each stands alone too.
 */
#ifndef THRUM_H
#define THRUM_H

#include <thrum/base.h>
#include <thrum/blocking.h>
#include <thrum/deadline.h>
#include <thrum/channel.h>
#include <thrum/dump.h>
#include <thrum/explore.h>
#include <thrum/file.h>
#include <thrum/future.h>
#include <thrum/gather.h>
#include <thrum/generator.h>
#include <thrum/io.h>
#include <thrum/local.h>
#include <thrum/net.h>
#include <thrum/process.h>
#include <thrum/queues.h>
#include <thrum/select.h>
#include <thrum/signal.h>
#include <thrum/simnet.h>
#include <thrum/stats.h>
#include <thrum/stream.h>
#include <thrum/sync.h>
#include <thrum/task.h>
#include <thrum/time.h>
#include <thrum/trace.h>

#endif
