autocmd BufRead,BufNewFile *.idol setfiletype idol
" `.idl` means other languages too: only what begins as an interface does.
autocmd BufRead *.idl if getline(1, 40)->join("\n") =~# '\v^(\_s|//[^\n]*|#!\[[^\]]*\])*Interface\s*\(' | set filetype=idol | endif
