"""CUDA standalone: many replicas of a network on one of NVIDIA's GPUs."""
