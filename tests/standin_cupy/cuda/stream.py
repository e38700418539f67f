"""As cupy.cuda.stream: what is asked of a stream is done when it is synchronised, and not before."""

from ..machine import machine


class Stream:
    def __init__(self, null=False, non_blocking=False, ptds=False, priority=None):
        assert null or non_blocking, "a blocking stream waits for the null one"
        self._device = machine().current_device
        self._waiting = []
        machine().streams.append(self)

    def __enter__(self):
        self._check_device()
        machine().current_streams.append(self)
        return self

    def __exit__(self, *args):
        machine().current_streams.pop()

    def synchronize(self):
        waiting, self._waiting = self._waiting, []
        for operation in waiting:
            operation()
        machine().settle(self)

    def _ask(self, operation):
        self._check_device()
        self._waiting.append(operation)

    def _check_device(self):
        if self._device != machine().current_device:
            raise RuntimeError(f"a stream of device {self._device} on device {machine().current_device}")


def get_current_stream(device_id=-1):
    assert device_id == -1
    if machine().current_streams:
        return machine().current_streams[-1]
    return machine().null_stream(lambda: Stream(null=True))
