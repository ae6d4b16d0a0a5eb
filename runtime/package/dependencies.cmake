# Finds what the library stands on, and says which Debian package brings it where it is missing.

include(CheckCSourceCompiles)

function(thrum_need variable names header package)
    find_library(${variable} NAMES ${names})
    find_path(${variable}_HEADER ${header})
    mark_as_advanced(${variable} ${variable}_HEADER)
    if(NOT ${variable} OR NOT ${variable}_HEADER)
        message(FATAL_ERROR "thrum needs ${header} and its library (${names}).\n"
            "On Debian: apt-get install ${package}\n${ARGN}")
    endif()
endfunction()

thrum_need(THRUM_CONTEXT_LIBRARY "boost_context" "boost/context/detail/fcontext.hpp" "libboost-context-dev")

set(THRUM_ALLOCATOR_LIBRARY "")
if(THRUM_JEMALLOC)
    # Shared, never static: its thread cache must not be inlined into code that migrates between threads.
    thrum_need(THRUM_JEMALLOC_LIBRARY "libjemalloc.so" "jemalloc/jemalloc.h" "libjemalloc-dev"
        "Or configure with -DTHRUM_JEMALLOC=OFF to use the program's own allocator.")
    set(THRUM_ALLOCATOR_LIBRARY ${THRUM_JEMALLOC_LIBRARY})
endif()

# Up to 1.86 Boost exports the C names of its switch; from 1.87 they are hidden and only the C++ ones remain, for which
# there is a C++ shim.
include(CheckCXXSourceCompiles)
set(CMAKE_REQUIRED_LIBRARIES ${THRUM_CONTEXT_LIBRARY})
set(CMAKE_REQUIRED_INCLUDES ${THRUM_CONTEXT_LIBRARY_HEADER})
check_c_source_compiles("
    extern void *make_fcontext(void *, unsigned long, void (*)(void));
    int main(void) { return make_fcontext(0, 0, 0) != 0; }" THRUM_FCONTEXT_HAS_C_NAMES)
if(NOT THRUM_FCONTEXT_HAS_C_NAMES)
    check_cxx_source_compiles("
        #include <boost/context/detail/fcontext.hpp>
        int main() { return boost::context::detail::make_fcontext(0, 0, 0) != 0; }" THRUM_FCONTEXT_HAS_CXX_NAMES)
    if(NOT THRUM_FCONTEXT_HAS_CXX_NAMES)
        message(FATAL_ERROR "${THRUM_CONTEXT_LIBRARY} has neither the C nor the C++ names of Boost's context switch "
            "(make_fcontext, jump_fcontext), or is not for this machine.\n"
            "On Debian: apt-get install libboost-context-dev")
    endif()
endif()
unset(CMAKE_REQUIRED_LIBRARIES)
unset(CMAKE_REQUIRED_INCLUDES)

# Valgrind is told of each stack where its header is there; that costs nothing outside of Valgrind.
include(CheckIncludeFile)
check_include_file("valgrind/valgrind.h" THRUM_HAS_VALGRIND)
# Names for places in the code, for bpftrace and its like: nops where the header is there.
check_include_file("sys/sdt.h" THRUM_HAS_SDT)
