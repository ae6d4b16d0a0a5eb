/*
 * Put before every modelled source by the build: memory functions that the compiler does not instrument become the
 * checker's, which see them as plain accesses (checker/callbacks.c).
 */
__asm__(".set memcpy, th_model_memcpy\n"
        ".set memmove, th_model_memmove\n"
        ".set memset, th_model_memset\n");
