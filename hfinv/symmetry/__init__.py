"""What the near side of a face says of its far side.

Not here yet: the pipeline runs without it, and `hfinv.pipeline` says where it will stand.
"""
