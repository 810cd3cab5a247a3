"""A target as a Python object: its operations are attributes, its values are Python's.

    import idoldbg

    with idoldbg.attach() as dev:
        reply = dev.Spi.exchange(device_index=0, source=b"\\x9f\\0\\0\\0", sink=4)
        assert reply.leases.sink == b"\\xff\\xef\\x40\\x18"
        try:
            dev.Spi.exchange(device_index=7, sink=1)
        except dev.Spi.errors.BadDevice:
            print("there is no device 7")

Interfaces and operations are looked up by name when they are used; `dir`, `help` and completion
know them. `classes` says which Python class stands for which type of the target. For checkers such
as mypy, `idoldbg stubs` writes a package with the same names.
"""

from idoldbg.device.aio import AioDevice, AioOperation
from idoldbg.device.base import BaseDevice, BaseTask
from idoldbg.device.batch import BaseBatch, Batch, BatchOperation, Pending
from idoldbg.device.classes import TargetEnum, TargetObject
from idoldbg.device.device import Device, TaskSpace, attach, open_device_session
from idoldbg.device.failures import VariantError
from idoldbg.device.operation import Errors, Interface, Operation
from idoldbg.device.results import BaseLeases, Data, Err, LeaseData, Leases, Ok, Reply, Result, Some

__all__ = [
    # opening
    "attach",
    "open_device_session",
    "Device",
    "TaskSpace",
    "BaseDevice",
    "BaseTask",
    # calling
    "Interface",
    "Operation",
    "Batch",
    "BaseBatch",
    "BatchOperation",
    "Pending",
    "AioDevice",
    "AioOperation",
    # answers
    "Reply",
    "Leases",
    "BaseLeases",
    "LeaseData",
    "Data",
    "Ok",
    "Err",
    "Result",
    "Some",
    # classes of the target's types and errors
    "TargetEnum",
    "TargetObject",
    "VariantError",
    "Errors",
]
