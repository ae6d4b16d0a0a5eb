/* C++ exceptions across switches: thrown, caught, rethrown and nested in fibers that change threads meanwhile. */
#include <exception>
#include <stdexcept>
#include <string>

extern "C" {
#include "exceptions.h"
}

namespace
{

struct Unwound {
    int &count;
    explicit Unwound(int &counted) : count(counted)
    {
    }
    ~Unwound()
    {
        count++;
    }
};

/* Handles one exception while it waits, and in that throws and handles another. */
int nested(int seed)
{
    int unwound = 0;
    try {
        Unwound outer(unwound);
        throw std::runtime_error(std::to_string(seed));
    } catch (const std::runtime_error &first) {
        exceptions_hop();
        if (std::uncaught_exceptions() != 0)
            return 1;
        try {
            Unwound inner(unwound);
            exceptions_hop();
            throw std::logic_error(std::to_string(seed + 1));
        } catch (const std::logic_error &second) {
            exceptions_hop();
            if (second.what() != std::to_string(seed + 1))
                return 2;
        }
        exceptions_hop();
        if (first.what() != std::to_string(seed))
            return 3;
        try {
            exceptions_hop();
            throw;
        } catch (const std::runtime_error &again) {
            exceptions_hop();
            if (&again != &first)
                return 4;
        }
    }
    return unwound == 2 && std::current_exception() == nullptr ? 0 : 5;
}

/* Waits inside a destructor, while the exception is still on its way. */
struct Waits {
    bool &seen;
    ~Waits()
    {
        exceptions_hop();
        seen = std::uncaught_exceptions() == 1;
    }
};

int during_unwinding()
{
    bool seen = false;
    try {
        Waits waits{seen};
        throw 42;
    } catch (int value) {
        return value == 42 && seen ? 0 : 6;
    }
}

} // namespace

extern "C" int exceptions_body(int seed)
{
    for (int i = 0; i < 200; i++) {
        int failed = nested(seed + i);
        if (failed == 0)
            failed = during_unwinding();
        if (failed != 0)
            return failed;
    }
    return 0;
}
