"""What the layers and quantisers of HGQ 1, HGQ 2 and HGQ-LUT mean."""
