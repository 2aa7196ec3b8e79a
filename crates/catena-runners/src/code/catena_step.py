"""Starts the driver of Python steps: `python3 catena_step.py SOURCE NAME FOLDER keep|drop`.

Apart from the driver, so that the driver is imported and its bytecode kept; and in words that every Python reads.
"""
import sys

if sys.version_info < (3, 8):
    sys.stderr.write("catena: a step in Python needs Python 3.8 or later, and this is %s (%s)\n" % (
        sys.version.split()[0], sys.executable))
    sys.exit(1)
if sys.path[:1] != [__file__.rpartition("/")[0]]:
    # With PYTHONSAFEPATH nobody puts it there.
    sys.path.insert(0, __file__.rpartition("/")[0])
# Whatever is said of the bytecode of the step's modules: that of the driver is Catena's own.
dont_write, sys.dont_write_bytecode = sys.dont_write_bytecode, False
import _catena_driver

sys.dont_write_bytecode = dont_write
_catena_driver.run(*sys.argv[1:])
