"""C++ standalone: programs that are compiled once, kept, and given segments."""
