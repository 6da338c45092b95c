"""A look inside MIRNet and MIRNet-v2: what their three streams see in one picture."""
