"""Debug probes, through pyOCD. Nothing outside imports pyOCD but `emulated/pyocd_probe`."""
