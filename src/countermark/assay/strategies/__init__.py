"""What attackers do, one module each. A later mechanism adds the strategies that are aimed at it."""
