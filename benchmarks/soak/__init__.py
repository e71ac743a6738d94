"""An hour of everything at once: do memory, disk, threads and descriptors of a busy service stay what they are?"""
