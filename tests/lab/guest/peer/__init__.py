"""Two virtual watches and a virtual radio, on Google's Bumble: the independent peer of the lab.

    bluetoothd, kernel -- /dev/vhci --> controller --+
                                                     +-- the radio, in this process
    sensor and bridge watch --> controller each -----+
"""
