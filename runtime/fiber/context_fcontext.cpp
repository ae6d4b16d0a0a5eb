/*
 * For Boost 1.87 and later, where only the C++ names of the switch are exported. Older versions need no code:
 * context.h points straight at the C names, and the build leaves this file out.
 */
#include <boost/context/detail/fcontext.hpp>

namespace context = boost::context::detail;

extern "C" {

/* Twin of context.h, which is C and gives the structure its own name. */
struct th_transfer {
    void *from;
    void *data;
};

static_assert(sizeof(th_transfer) == sizeof(context::transfer_t), "a transfer is two pointers");

void *th_context_make(void *top, std::size_t bytes, void (*entry)(th_transfer))
{
    return context::make_fcontext(top, bytes, reinterpret_cast<void (*)(context::transfer_t)>(entry));
}

th_transfer th_context_jump_out_of_line(void *to, void *data)
{
    context::transfer_t arrived = context::jump_fcontext(to, data);
    return {arrived.fctx, arrived.data};
}
}
