"""PSNR, SSIM and other scores of restored pictures, and the protocols that define them."""
