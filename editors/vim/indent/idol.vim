" Indents by brackets.
if exists("b:did_indent")
  finish
endif
let b:did_indent = 1

setlocal indentexpr=GetIdolIndent(v:lnum) indentkeys=0),0},0],!^F,o,O
let b:undo_indent = "setlocal indentexpr< indentkeys<"

if exists("*GetIdolIndent")
  finish
endif

function GetIdolIndent(lnum) abort
  let l:before = prevnonblank(a:lnum - 1)
  if l:before == 0
    return 0
  endif
  " Strings and comments have brackets that mean nothing.
  let l:line = substitute(getline(l:before), '"\%([^"\\]\|\\.\)*"\|//.*', '', 'g')
  let l:opened = strlen(substitute(l:line, '[^({[]', '', 'g'))
  let l:closed = strlen(substitute(substitute(l:line, '^\s*[)}\]]\+', '', ''), '[^)}\]]', '', 'g'))
  let l:indent = indent(l:before) + (l:opened > l:closed ? shiftwidth() : 0)
  if l:closed > l:opened
    let l:indent -= shiftwidth()
  endif
  if getline(a:lnum) =~# '^\s*[)}\]]'
    let l:indent -= shiftwidth()
  endif
  return max([l:indent, 0])
endfunction
