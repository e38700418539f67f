"""As cupy.cuda.device."""

from ..machine import machine


class Device:
    def __init__(self, device=None):
        self.id = machine().current_device if device is None else device
        self._before = []

    def __enter__(self):
        self._before.append(machine().current_device)
        machine().current_device = self.id
        return self

    def __exit__(self, *args):
        machine().current_device = self._before.pop()

    @property
    def attributes(self):
        return machine().devices[self.id].attributes

    @property
    def mem_info(self):
        total = machine().devices[self.id].memory_bytes
        return total - machine().taken(self.id), total
