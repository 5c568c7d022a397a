# What the built-in guest says before it does anything else: see start.s.

        .section .rodata
        .globl first_words
first_words:
        .ascii "denovisor: the built-in guest\n"
first_words_end:
        .globl first_words_size
        .set first_words_size, first_words_end - first_words
