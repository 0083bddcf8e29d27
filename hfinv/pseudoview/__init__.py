"""What the photo says of views that were never taken.

Not here yet: the pipeline runs without it, and `hfinv.pipeline` says where it will stand.
"""
