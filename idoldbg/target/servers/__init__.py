"""Debug servers of others: OpenOCD's Tcl port, and the GDB remote protocol.

What a link says on the wire is made and read by pure modules (`openocd_tcl`, `gdb_packets`,
`gdb_features`, `gdb_servers`); `stream` is the only one with a socket. A server is a peer like any
other: nothing that it answers is trusted, and every wait has a limit.
"""
