"""Whether the lab itself works, without a line of nowbridge's own Bluetooth: two watches are found, connected, read, lost and
found again through bluetoothd, and the bridge watch sends blocks. Prints a line for each, and ends with the first that fails."""

import json
import socket
import subprocess
import sys
import time

from jeepney import DBusAddress, DBusErrorResponse, Properties, new_method_call
from jeepney.io.blocking import open_dbus_connection

from peer import frames, mirror, sensor

DEADLINE_SECONDS = 30
ADAPTER = "/org/bluez/hci0"
bus = open_dbus_connection("SYSTEM")


def send(message):
    reply = bus.send_and_get_reply(message, timeout=DEADLINE_SECONDS)
    if reply.header.message_type.name == "error":
        raise DBusErrorResponse(reply)
    return reply.body[0] if reply.body else None


def call(path, interface, method, signature=None, *arguments):
    return send(new_method_call(DBusAddress(path, "org.bluez", interface), method, signature, arguments))


def prop(path, interface, name):
    try:
        return send(Properties(DBusAddress(path, "org.bluez", f"org.bluez.{interface}")).get(name))[1]
    except DBusErrorResponse:
        return None


def read(path):
    return call(path, "org.bluez.GattCharacteristic1", "ReadValue", "a{sv}", {})


def fate(command, watch="sensor", **options):
    with socket.create_connection(("127.0.0.1", 9800), timeout=DEADLINE_SECONDS) as port:
        port.sendall((json.dumps({"cmd": command, "watch": watch} | options) + "\n").encode())
        return json.loads(port.makefile().readline())


def wait(what, condition):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.05)
    sys.exit(f"FAILED: {what} did not come about within {DEADLINE_SECONDS} s")


def device(address):
    return f"{ADAPTER}/dev_{address.replace(':', '_')}"


def characteristics(address):
    """The path of each characteristic by its UUID."""
    objects = call("/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
    return {
        interfaces["org.bluez.GattCharacteristic1"]["UUID"][1]: path
        for path, interfaces in objects.items()
        if path.startswith(device(address)) and "org.bluez.GattCharacteristic1" in interfaces
    }


def connect(address):
    """Until it holds: a bluetoothd that has just started may take a link for up that is about to go."""

    def attempt():
        try:
            call(device(address), "org.bluez.Device1", "Connect")
        except DBusErrorResponse:
            return False
        while prop(device(address), "Device1", "Connected"):
            if prop(device(address), "Device1", "ServicesResolved"):
                return True
            time.sleep(0.05)
        return False

    wait(f"services of {address}", attempt)
    return characteristics(address)


def find(*addresses):
    call(ADAPTER, "org.bluez.Adapter1", "SetDiscoveryFilter", "a{sv}", {"Transport": ("s", "le")})
    call(ADAPTER, "org.bluez.Adapter1", "StartDiscovery")
    for address in addresses:
        wait(f"a sight of {address}", lambda: prop(device(address), "Device1", "Address"))
    call(ADAPTER, "org.bluez.Adapter1", "StopDiscovery")


def the_sensor_is_read():
    there = connect(sensor.ADDRESS)
    maker = read(there["00002a29-0000-1000-8000-00805f9b34fb"])
    assert maker == b"Nowbridge Lab", maker


def a_lost_link_comes_back():
    fate("linkloss", timeout_ms=500)
    wait("the end of the link", lambda: not prop(device(sensor.ADDRESS), "Device1", "Connected"))
    connect(sensor.ADDRESS)


def the_bridge_watch_sends_blocks():
    there = connect(mirror.ADDRESS)
    info = frames.Cursor(read(there[mirror.INFO]))
    assert info.byte() == 1, "another version of the bridge service"
    info.byte(), [info.byte() for _ in range(16)]
    log_id, _boot, tail, head = (info.varint() for _ in range(4))
    for name in (mirror.CONTROL, mirror.DATA):
        call(there[name], "org.bluez.GattCharacteristic1", "StartNotify")
    pull = b"\x00\x01" + b"".join(frames.varint(number) for number in (log_id, tail, 16_000))
    call(there[mirror.CONTROL], "org.bluez.GattCharacteristic1", "WriteValue", "aya{sv}", pull, {})
    wait("blocks", lambda: fate("stats", "bridge")["notified"] > 16_000 // 244)
    wait("their arrival", lambda: len(prop(there[mirror.DATA], "GattCharacteristic1", "Value") or b"") > 20)
    assert head > tail, "no history"


def bluetoothd_comes_back():
    subprocess.run(["/lab/bluetoothd", "kill"], check=True)
    subprocess.run(["/lab/bluetoothd", "start"], check=True)
    wait("an adapter", lambda: prop(ADAPTER, "Adapter1", "Powered"))
    find(sensor.ADDRESS)
    connect(sensor.ADDRESS)


def the_adapter_is_switched_off_and_on():
    for how, powered in (("power-off", False), ("power-on", True)):
        subprocess.run(["/lab/bluetoothd", how], check=True)
        wait(how, lambda: prop(ADAPTER, "Adapter1", "Powered") is powered)
    find(sensor.ADDRESS)
    connect(sensor.ADDRESS)


def main():
    with_bridge = "error" not in fate("stats", "bridge")
    find(sensor.ADDRESS, *([mirror.ADDRESS] if with_bridge else []))
    steps = [the_sensor_is_read, a_lost_link_comes_back, the_adapter_is_switched_off_and_on, bluetoothd_comes_back]
    if with_bridge:
        steps.insert(2, the_bridge_watch_sends_blocks)
    for step in steps:
        started = time.monotonic()
        step()
        print(f"ok   {step.__name__.replace('_', ' ')} ({time.monotonic() - started:.1f} s)", flush=True)


main()
