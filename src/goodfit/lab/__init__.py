"""Every comparison of the chapter, trained side by side, judged and drawn; one file a comparison."""
