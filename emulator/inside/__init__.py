"""What runs inside a world. Standard library only: these modules start in milliseconds, without site-packages."""
