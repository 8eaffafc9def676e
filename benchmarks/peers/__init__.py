"""What the gateway is compared with: each a process of its own, none imports the gateway."""
