"""What every part of the package needs: devices, progress bars, the store on disk."""
