"""What fastask costs beside asyncio on uvloop; see the README."""
