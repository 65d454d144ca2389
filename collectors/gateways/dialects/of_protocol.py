"""The dialects that a serial line speaks, one object a protocol: what they remember is of that line."""

from collectors.gateways.dialects.asking import Dialect
from collectors.gateways.dialects.cjt188 import Cjt188Dialect
from collectors.gateways.dialects.dlt645 import Dlt645Dialect
from collectors.gateways.dialects.mbus import MbusDialect
from collectors.gateways.dialects.modbus_rtu import ModbusRtuDialect
from collectors.wire.template import Protocol


def new_dialects() -> dict[Protocol, Dialect]:
    """A dialect for each protocol. Meters of several may hang on one bus."""
    return {
        "dlt645-2007": Dlt645Dialect(),
        "cjt188": Cjt188Dialect(),
        "modbus": ModbusRtuDialect(),
        "mbus": MbusDialect(),
    }
