"""How a network is computed: Brian2's runtime, C++, CUDA and torch."""
