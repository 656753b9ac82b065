"""Places with objects: folders, S3, Google Cloud Storage, Azure Blob Storage, web servers.

The clients that were compared, against ``rclone serve s3``, which shared their 2 cores: seconds of
wall time and of the client's CPU, best of 3, Python 3.11.

=================================== ============ ============ ============ ============
client                              2000 x 16 KiB             64 x 4 MiB
----------------------------------- ------------------------- -------------------------
..                                  4 threads    16 threads   4 threads    16 threads
=================================== ============ ============ ============ ============
`wire` and `sigv4`                  0.32, 0.22   0.23, 0.19   0.26, 0.10   0.26, 0.10
their requests by http.client       0.50, 0.44   0.47, 0.43   0.28, 0.12   0.26, 0.09
their requests by urllib3           0.73, 0.69   0.80, 0.78   0.27, 0.12   0.28, 0.14
botocore's signer and urllib3       1.07, 1.00   1.04, 1.01   0.27, 0.12   0.29, 0.15
botocore's get_object, readinto     2.42, 2.38   2.80, 2.76   0.34, 0.21   0.34, 0.23
obstore's get; no checksums         0.35, 0.31   0.27, 0.23   0.30, 0.18   0.34, 0.23
pyarrow.fs; no checksums            0.73, 0.84   0.58, 0.72   0.32, 0.19   0.30, 0.18
=================================== ============ ============ ============ ============

obstore's get_range refuses the status 200 with which this server answers it.
"""
