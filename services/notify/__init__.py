"""気づきとお知らせ: hears facts from every desk, notices what no desk sees alone, and tells the center."""
